"""Policies in configurations and in files of their own: what is accepted, what it means, how faults are reported."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mcpkit.config import (
    Config,
    ConfigError,
    Limits,
    Policy,
    effective_limits,
    load,
    load_policy,
    loads,
    loads_policy,
    under_policy,
)
from mcpkit.config.policy import McpRules, ToolRule
from mcpkit.policy import Evaluator

MIB = 1 << 20
SECOND = 10**9

GUIDE = """\
policy:
  version: "1.0"
  description: "Security policy with metering"

  core:
    resources:
      limits:
        cpu: "500m"
        memory: "512Mi"
        execution_time: "30s"

  # MCP-specific permissions
  mcp:
    tools:
      allow:
        - name: "calculator/*"
          max_calls_per_minute: 100
"""
"""The block of the guide that users hold."""


def faults(text: str, name: str = "p.yaml") -> list[str]:
    with pytest.raises(ConfigError) as error:
        loads_policy(text, name)
    return str(error.value).splitlines()


def only_tools(policy: Policy) -> tuple[ToolRule, ...]:
    assert policy.effective.tools is not None
    return policy.effective.tools.allow


def test_the_guides_block_is_a_whole_configuration() -> None:  # A40, A41, A42, A43
    config = loads(GUIDE, "guide.yaml")
    policy = config.policy
    assert policy is not None
    assert (policy.version, policy.description) == ("1.0", "Security policy with metering")
    (rule,) = only_tools(policy)
    assert (rule.name, rule.max_calls_per_minute, str(rule.place)) == ("calculator/*", 100, "guide.yaml:16")
    limits = effective_limits(config)
    assert (limits.cpu, limits.max_memory, limits.timeout_ns) == (500, 512 * MIB, 30 * SECOND)


def test_without_a_policy_there_is_none() -> None:
    assert loads("").policy is None
    assert loads("policy:").policy is None


def test_of_several_limits_the_smallest_wins_and_no_flag_loosens_the_policys() -> None:  # A41
    text = """\
runtime:
  limits: {memory: 64Mi, execution_time: 50s}
  wasm: {metering: {enabled: true, enforcement: tracking}}
policy:
  core: {resources: {limits: {memory: 128Mi, execution_time: 10s, fuel: 1M}}}
"""
    config = loads(text)
    limits = effective_limits(config)
    assert (limits.max_memory, limits.timeout_ns) == (64 * MIB, 10 * SECOND)
    assert (limits.max_units, limits.enforcement) == (1_000_000, "strict")  # tracking lifts no policy
    flags = Limits().override(max_units=10**9, max_memory=256 * MIB, timeout_ns=20 * SECOND)
    capped = under_policy(flags, config.policy)
    assert (capped.max_units, capped.max_memory, capped.timeout_ns) == (1_000_000, 128 * MIB, 10 * SECOND)
    tight = under_policy(Limits().override(max_units=5), config.policy)
    assert tight.max_units == 5


def test_a_policy_may_have_a_file_of_its_own(tmp_path: Path) -> None:  # A40
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/policy.json").write_text(json.dumps({"version": "1", "tools": ["add", {"name": "m/*"}]}))
    (tmp_path / "config.yaml").write_text("policy: rules/${WHICH}.json\n")
    policy = load(tmp_path / "config.yaml", {"WHICH": "policy"}).policy
    assert policy is not None
    assert [rule.name for rule in only_tools(policy)] == ["add", "m/*"]
    assert only_tools(policy)[0].place.folder == tmp_path / "rules"


def test_faults_of_a_policys_own_file_have_their_places_there(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("version: '1.0'\nmcp:\n  tools:\n    allow:\n      - nmae: x\n")
    (tmp_path / "config.yaml").write_text("policy: policy.yaml\nserver: {prot: 1}\n")
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "config.yaml")
    first, second, third = str(error.value).splitlines()
    assert first.endswith("config.yaml:2:10: server.prot: unknown key; did you mean 'port'?")
    assert second.endswith("policy.yaml:5:9: mcp.tools.allow[0].nmae: unknown key; did you mean 'name'?")
    assert third.endswith("policy.yaml:5:9: mcp.tools.allow[0].name: is missing")


def test_a_policy_file_that_is_not_there_is_told_where_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("policy: gone.yaml\n")
    with pytest.raises(ConfigError, match=r"config\.yaml:1:9: policy: .*gone\.yaml: No such file"):
        load(tmp_path / "config.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "tools: [add, m/*]",
        "tools: {allow: [add, m/*]}",
        "mcp: {tools: [add, {name: m/*}]}",
        "mcp: {tools: {allow: [{name: add}, {name: m/*}], deny: []}}",
        "extensions: {mcp: {tools: {allow: [add, m/*]}}}",
    ],
)
def test_every_way_to_write_the_tools_means_the_same(text: str) -> None:  # A42
    assert [rule.name for rule in only_tools(loads_policy(text))] == ["add", "m/*"]


FAULTS = {
    "version: '2.0'": 'p.yaml:1:10: version: must be "1" or start with "1.", got \'2.0\'',
    "core: {network: {allow: [{ports: ['80']}]}}": (
        "p.yaml:1:26: core.network.allow[0]: needs host or cidr, and not both"
    ),
    "core: {network: {allow: ['http://a']}}": (
        "p.yaml:1:26: core.network.allow[0].host: must be a host's name, *.DOMAIN, * or an IP address, "
        "without scheme, port and path, got 'http://a'"
    ),
    "core: {network: {deny: [0x7f.1]}}": (
        "p.yaml:1:25: core.network.deny[0].host: is another way to write an address; write 127.0.0.1"
    ),
    "core: {network: {allow: [{cidr: 10.0.0.1/8}]}}": (
        "p.yaml:1:33: core.network.allow[0].cidr: must be a network such as 10.0.0.0/8 or fd00::/8, "
        "with no bits set after the prefix, got '10.0.0.1/8'"
    ),
    "core: {network: {allow: [{host: a, ports: ['0-9']}]}}": (
        "p.yaml:1:44: core.network.allow[0].ports[0]: must be a port or a range of them, such as 443 or 8000-8100, "
        "got '0-9'"
    ),
    "core: {storage: {allow: ['s3://x/y']}}": (
        "p.yaml:1:26: core.storage.allow[0].uri: 's3://x/y' is no folder of this machine; write fs:// and a path"
    ),
    "core: {storage: {allow: ['fs:///a/../b']}}": (
        "p.yaml:1:26: core.storage.allow[0].uri: must not have .. in it; write the path that is meant"
    ),
    "core: {storage: {allow: [{uri: /a, access: []}]}}": (
        "p.yaml:1:44: core.storage.allow[0].access: is empty; name some of read, write, create, delete, execute"
    ),
    "core: {storage: {allow: [{uri: '/a/b**', access: [read]}]}}": (
        "p.yaml:1:32: core.storage.allow[0].uri: ** stands for whole folders and takes the place of a name, "
        "as in fs:///data/**"
    ),
    "core: {resources: {limits: {memory_limit: 1Gi}}}": (
        "p.yaml:1:29: core.resources.limits.memory_limit: is called memory now; write memory"
    ),
    "mcp: {tools: {allow: [{name: a, require_confirmation: true}]}}": (
        "p.yaml:1:33: mcp.tools.allow[0].require_confirmation: mcpkit asks nobody before a call, clients do; "
        "remove the key"
    ),
    "mcp: {tools: {deny: [{name: a, max_calls_per_hour: 1}]}}": (
        "p.yaml:1:32: mcp.tools.deny[0].max_calls_per_hour: has no effect on what is denied; remove the key, "
        "or put the rule into allow"
    ),
    "mcp: {tools: {allow: [{name: a, parameters: {n: {maximum: 3}}}]}}": (
        "p.yaml:1:45: mcp.tools.allow[0].parameters: n.maximum: no such constraint; there are enum, required, min, "
        "max, pattern, min_length, max_length. A JSON Schema says type: object first"
    ),
    "mcp: {transport: {http: {allowed_methods: [POST]}}}": (
        "p.yaml:1:26: mcp.transport.http.allowed_methods: not a key here: the protocol says which methods there are; "
        "remove the key"
    ),
    "{tools: [a], mcp: {tools: [b]}}": "p.yaml:1:9: tools: mcp.tools stands there too; keep one of them",
}


@pytest.mark.parametrize("text", FAULTS)
def test_faults_have_their_place(text: str) -> None:  # A63
    assert faults(text) == [FAULTS[text]]


# Wassette's files

WASSETTE = """\
$schema: https://example.org/policy-v1.0.schema.json
version: "1.0"
description: "Test policy for storage access"
permissions:
  storage:
    allow:
      - uri: "fs://tmp/**"
        access: ["read", "write"]
      - uri: "fs://home/readonly.txt"
        access: ["read"]
  network:
    allow:
      - host: "api.example.org"
    deny:
      - cidr: 10.0.0.0/8
  environment:
    allow:
      - key: "TEST_ENV_VAR"
  resources:
    limits: {memory: 512Mi, cpu: 500m}
"""


def test_wassettes_files_are_read(tmp_path: Path) -> None:  # A63
    (tmp_path / "policy.yaml").write_text(WASSETTE)
    policy = load_policy(tmp_path / "policy.yaml")
    core = policy.core
    assert policy.description == "Test policy for storage access"
    assert [(rule.uri, rule.access) for rule in core.storage.allow] == [
        ("fs://tmp/**", ("read", "write", "create", "delete")),  # there, writing is making and removing too
        ("fs://home/readonly.txt", ("read",)),
    ]
    assert (core.storage.allow[0].place.line, core.storage.allow[0].place.folder) == (7, tmp_path)
    assert (core.network.allow[0].host, core.network.deny[0].cidr) == ("api.example.org", "10.0.0.0/8")
    assert core.environment.allow[0].key == "TEST_ENV_VAR"
    assert core.resources.limits.memory == 512 * MIB
    assert policy.effective == McpRules()  # it says nothing of tools, so it restricts none


def test_what_wassettes_files_cannot_mean_here_is_refused_with_its_place() -> None:
    text = """\
permissions:
  network:
    allow:
      - defaults: true
  runtime: {docker: {security: {privileged: false}}}
  resources: {memory: 512}
"""
    first, second, third = faults(text)
    assert first.startswith("p.yaml:4:9: permissions.network.defaults: stands for hosts that no file of yours names")
    assert second == (
        "p.yaml:5:3: permissions.runtime: is about containers, which mcpkit does not start; remove the key"
    )
    assert third.startswith("p.yaml:6:15: permissions.resources.memory: has no unit that is written down")
    (fault,) = faults("permissions: {storage: {allow: [{uri: a, access: [raed]}]}}")
    assert fault.startswith("p.yaml:1:51: core.storage.allow[0].access[0]: 'raed' is none of the choices")


def test_a_configuration_may_hold_wassettes_policy() -> None:
    policy = loads("policy: {version: '1.0', permissions: {environment: {allow: [{key: HOME}]}}}").policy
    assert policy is not None
    assert policy.core.environment.allow[0].key == "HOME"
    assert Config(policy=policy).policy is policy


# What the documentation and the examples show


ROOT = Path(__file__).resolve().parent.parent


def test_the_examples_of_the_documentation_are_whole_configurations(tmp_path: Path) -> None:  # A40
    (tmp_path / "policy.yaml").write_text("version: '1.0'\n")
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs/policy.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert loads(block, folder=tmp_path).policy is not None


def test_the_example_policy(tmp_path: Path) -> None:
    policy = Evaluator(load_policy(ROOT / "examples/policy.yaml"))
    assert policy.tool("add", "calculator/add").allowed
    assert not policy.tool("other", "other/other").allowed
    assert policy.arguments("text-stats", "text-stats/text-stats", {}) is not None
    assert policy.storage(f"{ROOT}/examples/data/a/b.txt", "read").allowed
    assert not policy.storage(f"{ROOT}/examples/private/a", "read").allowed
    assert not policy.storage(f"{ROOT}/examples/data/a/b.txt", "write").allowed
    assert policy.network("api.example.org", 443, "https").allowed
    assert policy.variables({"DATABASE_URL": "u", "DATABASE_PASSWORD": "p"}) == (("DATABASE_URL", "u"),)
