"""What `mcpkit validate`, `config show` and `config schema` say about a configuration."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from mcpkit.cli import exits, main
from mcpkit.config import ConfigError, effective_limits, gather, limit_origins, loads
from mcpkit.config.convert import is_section, keys, options
from mcpkit.config.json_schema import json_schema
from mcpkit.config.schema import Config
from mcpkit.config.show import REDACTED, as_json, as_yaml
from mcpkit.config.tree import Source, free, parse

KEY = f"sha256:{'0' * 32}:{'0' * 64}"


def mcpkit(*words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mcpkit", *words],
        env={**os.environ, "PYTHONPATH": "src", **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


# validate


def test_validate_says_where_every_limit_comes_from(tmp_path: Path) -> None:  # A61
    (tmp_path / "a.yaml").write_text("runtime:\n  wasm:\n    fuel: 20M\n    metering: {max_compute_units: 30M}\n")
    (tmp_path / "b.yaml").write_text("runtime: {wasm: {memory_pages: 16}}\n")
    words = [str(tmp_path / "a.yaml"), str(tmp_path / "b.yaml"), "--timeout", "2s"]
    environ = {"MCPKIT_RUNTIME__WASM__METERING__LIMITS__SOFT_LIMIT": "1M"}
    run = mcpkit("validate", *words, **environ)
    assert run.returncode == exits.OK
    rows = {line[2:20].strip(): line[20:50].strip() + " | " + line[50:] for line in run.stdout.splitlines()[5:]}
    assert rows["compute units"] == f"20,000,000 | {tmp_path / 'a.yaml'}:3 (runtime.wasm.fuel)"
    assert rows["memory"] == f"1Mi (1,048,576 bytes) | {tmp_path / 'b.yaml'}:1 (runtime.wasm.memory_pages)"
    assert rows["warning at"].startswith("1,000,000 | environment variable MCPKIT_RUNTIME__WASM__METERING__LIMITS__")
    assert rows["wall clock"] == "2s | flag --timeout"
    assert rows["enforcement"] == "strict | default"
    machine = json.loads(mcpkit("validate", "--json", *words, **environ).stdout)
    assert machine["files"] == words[:2]
    assert machine["limits"]["max_units"] == 20_000_000
    assert machine["origins"]["max_units"] == {"where": f"{tmp_path / 'a.yaml'}:3", "key": "runtime.wasm.fuel"}
    assert machine["origins"]["timeout_ns"] == {"where": "flag --timeout"}
    assert machine["origins"]["cpu"] == {}


def test_a_module_that_is_not_there_is_a_warning_here_and_an_error_in_the_server(tmp_path: Path) -> None:  # A61
    config = tmp_path / "c.yaml"
    config.write_text("runtime:\n  wasm:\n    module_path: gone.wasm\n")
    fault = f"{config}:3:18: runtime.wasm.module_path: there is no file {tmp_path / 'gone.wasm'}"
    run = mcpkit("validate", str(config))
    assert (run.returncode, run.stderr) == (exits.OK, f"warning: {fault}\n")
    machine = json.loads(mcpkit("validate", "--json", "--config", str(config)).stdout)
    assert machine["valid"] is True
    assert [(one["line"], one["path"]) for one in machine["warnings"]] == [(3, "runtime.wasm.module_path")]
    served = mcpkit("server", "--config", str(config))
    assert served.returncode == exits.CANNOT_LOAD
    assert fault in served.stderr


def test_validate_names_the_variable_that_is_wrong() -> None:  # A48
    run = mcpkit("validate", "--config", os.devnull, MCPKIT_SERVER__PORT="0")
    assert run.returncode == exits.CANNOT_LOAD
    assert "environment variable MCPKIT_SERVER__PORT: server.port: must be between 1 and 65535, got 0" in run.stderr


LIMIT_KEYS = {
    "runtime.wasm.fuel": st.integers(1, 2 * 10**9),
    "runtime.wasm.memory_pages": st.integers(1, 65536),
    "runtime.wasm.metering.enabled": st.just("false"),
    "runtime.wasm.metering.max_compute_units": st.integers(1, 2 * 10**9),
    "runtime.wasm.metering.enforcement": st.sampled_from(["strict", "warning", "tracking"]),
    "runtime.wasm.metering.limits.hard_limit": st.integers(1, 2 * 10**9),
    "runtime.wasm.metering.limits.soft_limit": st.integers(1, 2 * 10**9),
    "runtime.wasm.metering.quotas.per_request": st.integers(1, 2 * 10**9),
    "runtime.wasm.metering.memory_limits.max_memory": st.integers(1, 2**33),
    "runtime.wasm.metering.memory_limits.max_tables": st.integers(1, 100),
    "runtime.limits.memory": st.integers(1, 2**33),
    "runtime.limits.execution_time": st.sampled_from(["1s", "60s", "2m"]),
    "runtime.inline": st.sampled_from(["auto", "never"]),
}


@given(st.fixed_dictionaries({}, optional={key: values.map(str) for key, values in LIMIT_KEYS.items()}))
def test_the_origin_of_a_limit_is_a_key_without_which_it_would_be_another(settings: dict[str, str]) -> None:  # A61
    def gathered(keys: dict[str, str]) -> Any:
        return gather([], {f"MCPKIT_{key.replace('.', '__').upper()}": value for key, value in keys.items()})

    loaded = gathered(settings)
    limits = effective_limits(loaded.config)
    for name, origin in limit_origins(loaded, limits, {}).items():
        if origin.key:
            assert origin.where.endswith(origin.key.replace(".", "__").upper())
            # Another key may say the same; the default may be the same, too.
            assert origin.key in settings
        else:
            assert getattr(limits, name) == getattr(effective_limits(Config()), name)


def test_a_policys_own_limits_are_named_where_they_are_the_tighter_ones(tmp_path: Path) -> None:  # A61
    config = tmp_path / "c.yaml"
    config.write_text("policy:\n  core:\n    resources:\n      limits: {memory: 1Mi, execution_time: 2h}\n")
    machine = json.loads(mcpkit("validate", "--json", str(config), "--max-memory", "4Mi", "--timeout", "9s").stdout)
    assert machine["limits"]["max_memory"] == 1 << 20
    assert machine["origins"]["max_memory"] == {"where": f"{config}:4", "key": "policy.core.resources.limits.memory"}
    assert machine["origins"]["timeout_ns"] == {"where": "flag --timeout"}


def test_a_policy_is_shown_as_one_that_means_the_same() -> None:
    loaded = gather(["tests/guide/policy.yaml"], {})
    assert loads(as_yaml(loaded), folder="tests/guide") == loaded.config


# config show


WHOLE = f"""\
version: 1.2
server: {{name: "ö\\u0007 ${{NAME}}", title: "$${{x}}: 'y' # z", instructions: "null", port: 81}}
transport: {{type: http, settings: {{allowed_hosts: ["a b", 'true'], request_timeout: 1.5ms, max_body_size: 1000}}}}
runtime:
  wasm:
    module_path: tool.wasm
    fuel: 10M
    metering: {{enforcement: {{warning: {{threshold: 0.25}}}}, limits: {{soft_limit: 5}}}}
  limits: {{execution_time: 0.0015ms}}
mcp:
  tools:
    - name: t
      input_schema: {{type: object, properties: {{"a: b": {{enum: [1, 2.5, null, true, "true", "x\\n"]}}}}}}
    - {{name: u, module: tool}}
security:
  api_keys: [{{name: k, hash: "{KEY}", scopes: [a, b]}}]
  oauth:
    resource: https://tools.example/mcp
    authorization_servers:
      - issuer: https://login.example
        introspection: {{endpoint: https://login.example/i, client_id: me, client_secret: hush-hush}}
"""


def test_show_means_the_same_and_tells_where_values_come_from(tmp_path: Path) -> None:  # A61
    (tmp_path / "c.yaml").write_text(WHOLE)
    environ = {"NAME": "n", "MCPKIT_SERVER__PORT": "99"}
    loaded = gather([tmp_path / "c.yaml"], environ)
    shown = as_yaml(loaded)
    again = shown.replace(f'hash: "{REDACTED}"', f"hash: {KEY}").replace(f'"{REDACTED}"', "hush-hush")
    assert loads(again, environ={}) == loaded.config
    machine = as_json(loaded)
    machine["config"]["security"]["api_keys"][0]["hash"] = KEY
    text = json.dumps(machine["config"]).replace(REDACTED, "hush-hush")
    assert loads(text, "c.json", environ={}) == loaded.config
    lines = {line.split(":")[0].strip(): line.rpartition("# ")[2] for line in shown.splitlines()}
    assert lines["port"] == "environment variable MCPKIT_SERVER__PORT"
    assert lines["fuel"] == f"{tmp_path / 'c.yaml'}:7"
    assert lines["bind"] == "default"
    assert machine["origins"]["server.port"] == "environment variable MCPKIT_SERVER__PORT"


def test_show_keeps_secrets_to_itself(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(WHOLE)
    for words in (["show"], ["show", "--json"]):
        run = mcpkit("config", *words, "--config", str(tmp_path / "c.yaml"), NAME="n")
        assert run.returncode == exits.OK
        assert "hush-hush" not in run.stdout
        assert KEY not in run.stdout
        assert REDACTED in run.stdout


def test_the_defaults_shown_are_a_configuration_too() -> None:  # A32
    assert loads(as_yaml(gather([], {}))) == Config()
    assert loads(json.dumps(as_json(gather([], {}))["config"]), "c.json") == Config()


# config schema


@cache
def validator() -> Draft202012Validator:
    schema = json_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def both(text: str, name: str = "c.yaml") -> tuple[bool, bool]:
    """Whether `loads` takes a text, and whether the schema does."""
    try:
        loads(text, name, environ={})
        loaded = True
    except ConfigError:
        loaded = False
    data = free(parse(text, Source(name, {"X": "${X}"})), lambda *_: None)
    return loaded, validator().is_valid({} if data is None else data)


FIXTURES = [path for folder in ("tests/guide", "examples") for path in sorted(Path(folder).rglob("*.yaml"))]


@pytest.mark.parametrize("path", FIXTURES, ids=str)
def test_the_schema_agrees_with_the_loader_about_every_file_here(path: Path) -> None:
    loaded, valid = both(path.read_text())
    assert loaded == valid


ACCEPTED = [
    "",
    "server:",
    "version: 1",
    "version: 1.0",
    'version: "1.5"',
    "server: {name: 12, title: true, port: 65535}",
    "server: {log_level: warn}",
    "transport: {type: web_socket, settings: {max_body_size: 10MB, request_timeout: 1.5s, max_connections: 10_000}}",
    "runtime: {wasm: {fuel: 10M, cache: false, memory_pages: 1, module_path: x, modules: [{path: a}, {path: b}]}}",
    "runtime: {wasm: {metering: {enforcement: warning, max_compute_units: 10_000_000}}}",
    "runtime: {wasm: {metering: {enforcement: {warning: {threshold: 1}}}}}",
    "runtime: {wasm: {metering: {enforcement: {warning: }}}}",
    "runtime: {limits: {memory: 65_536, execution_time: 500ms}}",
    'runtime: {limits: {memory: "512 Mi"}}',
    "mcp: {tools: [{name: t, input_schema: {type: object, anything: [1]}}]}",
    f"security: {{api_keys: [{{name: a, hash: '{KEY}', scopes: [x, y]}}]}}",
    "tasks: {store: tasks.db, default_ttl: 1h}",
]
ACCEPTED += [
    "policy: {core: {resources: {limits: {cpu: 500m, memory: 512Mi}}}, mcp: {tools: {allow: [{name: 'a/*'}]}}}",
    "policy: {tools: [add]}",
    "policy: {version: '1.0', permissions: {network: {allow: [{host: a.example}]}}}",
    "policy: {tools: {allow: [add], deny: ['*']}}",
]
REFUSED = [
    "policy: {cor: {}}",
    "policy: {tools: {allow: [{nam: x}]}}",
    "policy: {core: {resources: {limits: {memory: 1X}}}}",
    "[]",
    "server: 3",
    "nonsense: 1",
    "version: 2",
    "server: {prot: 1}",
    "server: {port: 0}",
    "server: {port: 65536}",
    "server: {port: '80'}",
    "server: {port: x}",
    "server: {name: ' '}",
    "server: {name: [x]}",
    "server: {log_level: loud}",
    "server: {workers: 2}",
    "transport: {type: grpc}",
    "transport: {settings: {max_body_size: 10X}}",
    "transport: {settings: {request_timeout: 30}}",
    "transport: {settings: {request_timeout: '30'}}",
    "transport: {settings: {allowed_hosts: a}}",
    "transport: {settings: {allowed_hosts: ['']}}",
    "transport: {settings: {tls: {cert_file: a}}}",
    "transport: {settings: {cors_enabled: yes}}",
    "runtime: {type: jvm}",
    "runtime: {wasm: {fuel: 0}}",
    "runtime: {wasm: {fuel: -1}}",
    "runtime: {wasm: {fuel: 1Ki}}",
    "runtime: {wasm: {module_path: ''}}",
    "runtime: {wasm: {modules: [{name: a}]}}",
    "runtime: {wasm: {modules: [null]}}",
    "runtime: {wasm: {memory_pages: 65537}}",
    "runtime: {wasm: {metering: {enforcement: {warning: {threshold: 0}}}}}",
    "runtime: {wasm: {metering: {enforcement: {warning: {threshold: 1.5}}}}}",
    "runtime: {wasm: {metering: {enforcement: lax}}}",
    "mcp: {tools: [{title: t}]}",
    "mcp: {tools: [{name: t, input_schema: 3}]}",
    "security: {required_scopes: ['a b']}",
    "security: {oauth: {resource: 'ftp://x', authorization_servers: []}}",
    "security: {certificates: [{match: 'X:y'}]}",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_the_schema_accepts_what_the_loader_accepts(text: str) -> None:
    assert both(text) == (True, True)


@pytest.mark.parametrize("text", REFUSED)
def test_the_schema_refuses_what_the_loader_refuses(text: str) -> None:
    assert both(text) == (False, False)


def test_a_variable_may_stand_for_every_single_value() -> None:
    data = {"server": {"port": "${PORT}"}, "runtime": {"wasm": {"cache": "${C:-true}", "fuel": "${F}"}}}
    assert validator().is_valid(data)


@pytest.mark.parametrize("key", ["port", "log_level", "bind"])
def test_an_editor_that_reads_yaml_1_2_sees_texts_where_digits_are_grouped(key: str) -> None:
    groups = {"runtime": {"wasm": {"fuel": "10_000_000"}}, "tasks": {"max_tasks": "10_000"}}
    assert validator().is_valid(groups)
    assert not validator().is_valid({"server": {key: {}}})


def test_every_key_of_the_schema_is_explained_or_explains_itself() -> None:
    schema = json_schema()
    fuel = schema["$defs"]["Wasm"]["properties"]["fuel"]
    assert (fuel["deprecated"], fuel["description"]) == (True, "Older form of metering.max_compute_units.")
    assert schema["$defs"]["Tls"]["properties"]["ca_file"]["description"] == "Who signs client certificates."
    sections = [one for one in schema["$defs"].values() if "properties" in one]
    assert all(one["description"] and one["additionalProperties"] is False for one in sections)


def test_keys_that_are_not_acted_on_are_left_out() -> None:
    text = json.dumps(json_schema())
    assert '"workers"' not in text
    assert '"distribution"' not in text


def test_the_schema_has_every_section_of_the_configuration() -> None:
    def sections(kind: Any) -> set[str]:
        found = {kind.__name__}
        for field in keys(kind).values():
            for option in options(field.type):
                inner = option.__args__[0] if getattr(option, "__origin__", None) is tuple else option
                if is_section(inner):
                    found |= sections(inner)
        return found

    assert set(json_schema()["$defs"]) == (sections(Config) - {"Config"}) | {"variable"}


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "schema"]) == exits.OK
    assert json.loads(capsys.readouterr().out) == json_schema()
