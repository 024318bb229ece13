"""`mcpkit policy`: which rule decides, why the others do not, and an exit status that scripts can use."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from mcpkit.policy.explain import explain
from servers import ADD_WAT, command
from test_policy import PATH_RULES, PATHS, evaluator, flow

POLICY = """\
mcp:
  tools:
    allow:
      - name: "calculator/*"
        parameters: {a: {max: 3}}
      - {name: reader/cat}
    deny:
      - "*/danger"
      - "reader/*"
core:
  storage:
    allow:
      - {uri: "/data/**", access: [read]}
      - {uri: "/out/**", access: [write]}
    deny: ["/data/**/*.key"]
  network:
    allow: ["*.example.org", "*"]
    deny: [evil.example.org]
  environment: ["DATABASE_*"]
"""


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "policy.yaml").write_text(POLICY)
    return str(tmp_path / "policy.yaml")


def mcpkit(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=60)


def test_the_deciding_rule_and_why_others_do_not_decide(policy: str) -> None:  # A63, N11
    done = mcpkit("policy", "explain", "reader/cat", "call", "--policy", policy)
    assert done.returncode == 0
    assert (
        done.stdout.replace(policy, "p.yaml")
        == """\
allowed: call by cat
  rule  mcp.tools.allow: reader/cat (p.yaml:6)
  why   allowed by the rule mcp.tools.allow: reader/cat
rules that do not decide:
  mcp.tools.deny: reader/* (p.yaml:9)  is about this too; before one that denies and has a wildcard comes one that \
allows and has no wildcard
  mcp.tools.allow: calculator/* (p.yaml:4)  is about something else
  mcp.tools.deny: */danger (p.yaml:8)  is about something else
"""
    )


@pytest.mark.parametrize(
    ("tool", "action", "status", "rule"),
    [
        ("calculator/add", "call", 0, "mcp.tools.allow: calculator/*"),
        ("calculator/danger", "call", 12, "mcp.tools.deny: */danger"),
        ("other/x", "call", 12, ""),
        ("other/x", "read:/data/a", 12, ""),  # what may not be called reads nothing either
        ("calculator/add", "read:/data/a", 0, "core.storage.allow: /data/**"),
        ("calculator/add", "read:/data/b/../a.key", 12, "core.storage.deny: /data/**/*.key"),
        ("calculator/add", "write:/data/a", 12, ""),
        ("calculator/add", "write:/out/a", 0, "core.storage.allow: /out/**"),
        ("calculator/add", "connect:api.example.org:443", 0, "core.network.allow: *.example.org"),
        ("calculator/add", "connect:evil.example.org:443/https", 12, "core.network.deny: evil.example.org"),
        ("calculator/add", "connect:[::1]:80", 12, ""),
        ("calculator/add", "env:DATABASE_URL", 0, "core.environment.allow: DATABASE_*"),
        ("calculator/add", "env:HOME", 12, ""),
        ("calculator/add", "prompt:x", 0, ""),
        ("calculator/add", "resource:notes://x", 0, ""),
    ],
)
def test_actions(policy: str, tool: str, action: str, status: int, rule: str) -> None:  # A63, N11
    done = mcpkit("policy", "explain", tool, action, "--policy", policy, "--json")
    said: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, said["allowed"], said["rule"]) == (status, status == 0, rule)


def test_arguments(policy: str) -> None:
    assert mcpkit("policy", "explain", "calculator/add", "call", '{"a": 3}', "--policy", policy).returncode == 0
    done = mcpkit("policy", "explain", "calculator/add", "call", '{"a": 4}', "--policy", policy)
    assert done.returncode == 12
    assert "a: 4 is greater than the maximum of 3" in done.stdout
    assert mcpkit("policy", "explain", "calculator/add", "call", "{", "--policy", policy).returncode == 7


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a/b", "fly:x", "--policy", "P"], "is no action; there are call"),
        (["a/b", "connect:x", "--policy", "P"], "expected connect:HOST:PORT"),
        (["a/b", "call"], "name a configuration with --config or a policy's own file with --policy"),
        (["a/b", "--policy", "P"], "mcpkit policy explain TOOL ACTION"),
    ],
)
def test_what_is_not_understood(policy: str, words: list[str], message: str) -> None:
    allowed = Path(policy).with_name("all.yaml")
    allowed.write_text("version: '1.0'\n")
    done = mcpkit("policy", "explain", *(str(allowed) if word == "P" else word for word in words))
    assert done.returncode == 2
    assert message in done.stderr


def test_a_configurations_policy_and_a_tool_without_its_module(tmp_path: Path) -> None:
    (tmp_path / "calculator.wat").write_text(ADD_WAT)
    config = tmp_path / "config.yaml"
    config.write_text("runtime: {wasm: {module_path: calculator.wat}}\npolicy: {tools: ['calculator/*', y]}\n")
    assert mcpkit("policy", "explain", "add", "call", "--config", str(config)).returncode == 0
    done = mcpkit("policy", "explain", "add", "call", "--policy", str(tmp_path / "gone.yaml"))
    assert done.returncode == 8
    assert "gone.yaml: No such file" in done.stderr


def test_check(policy: str) -> None:
    done = mcpkit("policy", "check", policy)
    assert done.returncode == 0
    assert done.stdout.splitlines()[1:3] == ["  mcp.tools         4 rules", "  mcp.prompts       unrestricted"]
    Path(policy).write_text("tools: {allow: ['a/*'], deny: ['*']}\n")
    done = mcpkit("policy", "check", policy)
    assert done.returncode == 0
    assert "tools.deny: * denies what tools.allow: a/* allows, because it has a wildcard too" in done.stderr
    Path(policy).write_text("tools: [{name: a, parameters: {type: object, properties: 3}}]\n")
    assert mcpkit("policy", "check", policy).returncode == 8


def test_call_and_validate_keep_to_the_policy(tmp_path: Path) -> None:
    (tmp_path / "calc.wat").write_text(ADD_WAT)
    config = tmp_path / "config.yaml"
    config.write_text("policy: {tools: [{name: add, parameters: {a: {max: 3}}}]}\n")
    calc = str(tmp_path / "calc.wat")
    assert mcpkit("call", calc, "add", '{"a": 2, "b": 1}', "--config", str(config)).stdout == "3\n"
    done = mcpkit("call", calc, "add", '{"a": 4, "b": 1}', "--config", str(config))
    assert (done.returncode, "a: 4 is greater than the maximum of 3" in done.stderr) == (12, True)
    assert mcpkit("call", calc, "spin", '{"n": 4}', "--config", str(config)).returncode == 12
    config.write_text("policy: {tools: [{name: add, parameters: {type: object, properties: 3}}]}\n")
    done = mcpkit("validate", str(config))
    assert (done.returncode, "config.yaml:1: parameters of tools.allow: add" in done.stderr) == (8, True)


@given(PATH_RULES, PATH_RULES, PATHS)
def test_what_is_explained_is_what_is_decided(  # N11
    allow: list[list[str]], deny: list[list[str]], path: list[str]
) -> None:
    uris = [["/" + "/".join(names) for names in rules] for rules in (allow, deny)]
    policy = evaluator(flow({"core": {"storage": {"allow": uris[0], "deny": uris[1]}}}))
    where = "/" + "/".join(path)
    decision = policy.storage(where, "read")
    said = explain(policy, "t", "m/t", f"read:{where}")
    assert (said.allowed, said.rule, said.why) == (decision.allowed, decision.rule, decision.why)
    assert len(said.others) == len(allow) + len(deny) - decision.decided
