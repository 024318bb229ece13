"""Configuration files: what is accepted, what it means, and how faults are reported."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpkit.config import Config, ConfigError, Limits, UnitError, effective_limits, load, loads, units

MIB = 1 << 20


def faults(text: str, name: str = "c.yaml", **options: object) -> list[str]:
    """The problems of a configuration, as people see them."""
    with pytest.raises(ConfigError) as error:
        loads(text, name, **options)  # type: ignore[arg-type]
    return str(error.value).splitlines()


def limits_of(runtime: str) -> Limits:
    """Effective limits of a `runtime` section written in flow style."""
    return effective_limits(loads(f"runtime: {runtime}"))


# What files mean


def test_an_empty_file_is_the_documented_defaults() -> None:  # A32
    config = loads("")
    assert config == Config()
    assert (config.server.bind, config.server.port, config.transport.type) == ("127.0.0.1", 3000, "stdio")
    assert effective_limits(config) == Limits(max_units=10**9, max_memory=512 * MIB, timeout_ns=60 * 10**9)


def test_a_whole_file(tmp_path: Path) -> None:  # A02, A04, A05, A07, A08, A10, A11, A12, A49, A50
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools/stats.wasm").touch()
    (tmp_path / "calc.wasm").touch()
    (tmp_path / "config.yaml").write_text("""\
version: 1.0
metadata: {name: demo, author: someone}
server:
  name: demo
  version: 2.1.0
  description: Two tools
  bind: 0.0.0.0
  port: 8080
  log_level: debug
transport:
  type: http
  settings:
    max_body_size: 2Mi
    allowed_hosts: [tools.example.org]
    allowed_origins: ["https://app.example.org"]
runtime:
  type: wasmtime
  wasm:
    modules:
      - {name: text, path: tools/stats.wasm}
      - {path: calc.wasm}
    cache: true
    cache_dir: ./compiled
    metering:
      enabled: true
      max_compute_units: 10_000_000
      display_format: detailed
      memory_limits: {max_memory: "256Mi"}
      enforcement: strict
  limits: {memory: 1Gi, execution_time: 1500ms}
mcp:
  tools:
    - name: text-stats
      module: text
      title: Text statistics
      description: Counts words
      input_schema:
        type: object
        properties: {text: {type: string, maxLength: 1_000}, no: {default: no}}
        required: [text]
      annotations: {readOnlyHint: true}
""")
    config = load(tmp_path / "config.yaml")
    assert config.version == "1.0"
    assert config.server.version == "2.1.0"
    assert config.transport.settings.max_body_size == 2 * MIB
    assert [(module.label, module.path) for module in config.modules()] == [
        ("text", tmp_path / "tools/stats.wasm"),
        ("calc", tmp_path / "calc.wasm"),
    ]
    assert config.runtime.wasm.cache_dir == tmp_path / "compiled"
    assert config.runtime.wasm.metering.display_format == "detailed"
    (tool,) = config.mcp.tools
    assert tool.input_schema == {
        "type": "object",
        "properties": {"text": {"type": "string", "maxLength": 1000}, "no": {"default": "no"}},
        "required": ["text"],
    }
    assert tool.annotations == {"readOnlyHint": True}
    limits = effective_limits(config)
    assert (limits.max_units, limits.max_memory, limits.timeout_ns) == (10**7, 256 * MIB, 1_500_000_000)


def test_json_means_the_same_as_yaml(tmp_path: Path) -> None:
    document = {
        "server": {"name": "töls 😀", "port": 80},
        "runtime": {"limits": {"memory": "64Mi"}},
        "mcp": {"tools": [{"name": "a", "input_schema": {"type": "object", "n": [1, -2.5, None, True, "x"]}}]},
    }
    (tmp_path / "c.json").write_text(json.dumps(document, indent=1))
    (tmp_path / "c.yaml").write_text(json.dumps(document, ensure_ascii=False))
    assert load(tmp_path / "c.json") == load(tmp_path / "c.yaml")
    assert load(tmp_path / "c.json").mcp.tools[0].input_schema == document["mcp"]["tools"][0]["input_schema"]  # type: ignore[index]


def test_the_guides_minimal_example_limits_units() -> None:  # A10, A11
    config = loads("runtime:\n  wasm:\n    metering:\n      enabled: true\n      max_compute_units: 10_000_000\n")
    assert effective_limits(config).max_units == 10_000_000


def test_the_old_fuel_key_still_limits() -> None:  # A60
    assert limits_of("{wasm: {fuel: 10000000}}").max_units == 10_000_000


@pytest.mark.parametrize(
    ("runtime", "expected"),
    [
        ("{limits: {memory: 256Mi}}", 256 * MIB),
        ("{wasm: {memory_pages: 16}}", MIB),
        ("{wasm: {metering: {memory_limits: {max_memory: 4Gi}}}}", 4096 * MIB),
        ("{limits: {memory: 1Gi}, wasm: {memory_pages: 160, metering: {memory_limits: {max_memory: 64Mi}}}}", 10 * MIB),
    ],
)
def test_of_several_memory_limits_the_smallest_wins(runtime: str, expected: int) -> None:  # A03, A07, A13
    assert limits_of(runtime).max_memory == expected


def test_of_several_compute_limits_the_smallest_wins() -> None:  # A25
    limits = limits_of("{wasm: {fuel: 5M, metering: {max_compute_units: 4M, limits: {hard_limit: 3M}}}}")
    assert limits.max_units == 3_000_000


def test_tracking_has_no_compute_limit_but_keeps_the_others() -> None:  # A21
    limits = limits_of("{wasm: {metering: {enforcement: tracking, max_compute_units: 5}}}")
    assert (limits.enforcement, limits.max_units) == ("tracking", 0)
    assert (limits.max_memory, limits.timeout_ns) == (512 * MIB, 60 * 10**9)


def test_warning_enforcement_has_a_threshold() -> None:  # A23
    limits = limits_of("{wasm: {metering: {max_compute_units: 1000, enforcement: {warning: {threshold: 0.75}}}}}")
    assert (limits.enforcement, limits.max_units, limits.warn_units) == ("warning", 1000, 750)
    assert limits_of("{wasm: {metering: {max_compute_units: 1000, enforcement: warning}}}").warn_units == 800


def test_switched_off_metering_leaves_the_defaults_in_force() -> None:
    limits = limits_of("{wasm: {metering: {enabled: false, max_compute_units: 5, enforcement: tracking}}}")
    assert (limits.enforcement, limits.max_units) == ("strict", 10**9)


def test_flags_win_over_the_file() -> None:  # A48
    limits = limits_of("{wasm: {metering: {enforcement: tracking}}}").override(max_units=7, max_memory=MIB)
    assert (limits.enforcement, limits.max_units, limits.max_memory) == ("strict", 7, MIB)
    assert limits.timeout_ns == 60 * 10**9


# Variables


def test_variables_come_from_the_environment_or_their_default() -> None:  # A61
    text = 'server: {name: "${NAME}-x", port: "${PORT:-3001}", title: "$${kept} ${EMPTY:-full}"}'
    server = loads(text, environ={"NAME": "n", "EMPTY": ""}).server
    assert (server.name, server.port, server.title) == ("n-x", 3001, "${kept} full")
    assert loads(text, environ={"NAME": "n", "PORT": "99"}).server.port == 99


def test_a_variable_cannot_bring_structure() -> None:
    server = loads("server:\n  name: ${N}", environ={"N": "a\n  port: 1"}).server
    assert (server.name, server.port) == ("a\n  port: 1", 3000)


def test_variables_that_are_missing_or_malformed_are_named_with_their_place() -> None:
    assert faults("server:\n  name: ${NOPE}", environ={}) == [
        "c.yaml:2:9: the environment variable NOPE is not set; set it, or write ${NOPE:-default}"
    ]
    assert "${NAME:-default}" in faults("server: {name: '${not a name}'}")[0]


# Faults


def test_every_fault_has_its_place_and_they_come_together() -> None:  # A61
    text = """\
server:
  prot: 3000
  port: '80'
  log_level: loud
runtime:
  wasm: {fule: 3, memory_pages: 0, cache: yes}
  limits: {memory: 10X, execution_time: 30}
nonsense: 1
"""
    assert faults(text) == [
        "c.yaml:2:3: server.prot: unknown key; did you mean 'port'?",
        "c.yaml:3:9: server.port: expected a whole number, got the text '80'; remove the quotes",
        "c.yaml:4:14: server.log_level: 'loud' is none of the choices; choose one of "
        "trace, debug, info, warning, warn, error",
        "c.yaml:6:10: runtime.wasm.fule: unknown key; did you mean 'fuel'?",
        "c.yaml:6:33: runtime.wasm.memory_pages: must be between 1 and 65536, got 0",
        "c.yaml:6:43: runtime.wasm.cache: expected true or false, got 'yes'",
        "c.yaml:7:20: runtime.limits.memory: unknown suffix 'X' of '10X'; "
        "sizes take Ki, Mi, Gi, K, M, G or none (bytes)",
        "c.yaml:7:41: runtime.limits.execution_time: 30 has no unit; write for example 30s",
        "c.yaml:8:1: nonsense: unknown key; there are cluster, credentials, distribution, extensions, gateway, mcp, "
        "metadata, models, policy, runtime, security, server, tasks, telemetry, transport, version",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "distribution: {registry: example.org/x}",
        "transport: {type: http, settings: {compression: true}}",
        "mcp: {prompts: []}",
    ],
)
def test_what_is_not_acted_on_is_refused_not_ignored(text: str) -> None:
    (fault,) = faults(text)
    assert "not supported yet in this version" in fault


def test_grpc_is_refused_until_the_gateway_brings_it() -> None:  # A62
    assert faults("transport: {type: grpc}") == [
        "c.yaml:1:19: transport.type: grpc is not yet available; the gateway will bring it; use http or stdio"
    ]


def test_duplicate_keys_are_refused_everywhere() -> None:
    assert faults("server:\n  port: 1\n  port: 2") == [
        "c.yaml:3:3: server.port: stands twice in one place; first on line 2"
    ]
    assert "stands twice" in faults("mcp: {tools: [{name: a, input_schema: {type: object, type: string}}]}")[0]
    assert "stands twice" in faults('{"server": {"port": 1, "port": 2}}', "c.json")[0]


def test_modules_and_tools_must_fit_together(tmp_path: Path) -> None:
    (tmp_path / "a.wasm").touch()
    text = """\
runtime: {wasm: {module_path: a.wasm, modules: [{name: a, path: a.wasm}, {path: gone.wasm}]}}
mcp:
  tools:
    - {name: t, module: b, input_schema: {type: array}}
    - {name: t}
"""
    messages = [line.partition(": ")[2] for line in faults(text, folder=tmp_path)]
    assert messages == [
        "runtime.wasm.modules[0]: another module is named 'a' too; give this one another name",
        "mcp.tools[0].module: no module 'b'; there are a, gone",
        'mcp.tools[0].input_schema: must have "type": "object", as the protocol asks',
        "mcp.tools[1].name: another tool is named 't' too",
    ]


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        ("server: [", "c.yaml", "c.yaml:"),
        ("a: b: c", "c.yaml", "c.yaml:1:"),
        ("- 1", "c.yaml", "c.yaml:1:1: expected keys and values, got a list"),
        ("a: 1\n---\nb: 2", "c.yaml", "c.yaml:2:1: a second document"),
        ("a: &x [*x]", "c.yaml", "c.yaml:1:8: the alias *x stands inside"),
        ("a: *x", "c.yaml", "c.yaml:1:4: "),
        ("? [1]\n: 2", "c.yaml", "c.yaml:1:3: a key must be plain text"),
        ('{"server":\n {"port": 80,}}', "c.json", "c.json:2:14: not JSON: expected a key"),
        ('{"a" 1}', "c.json", 'c.json:1:6: not JSON: expected ":"'),
        ("", "c.json", "c.json:1:1: not JSON: expected a value"),
        ("{} x", "c.json", "c.json:1:4: not JSON: text after the end"),
        ("[1 2]", "c.json", 'c.json:1:4: not JSON: expected ","'),
        ('{"server": {"name": "\\ud800"}}', "c.json", "c.json:1:21: not Unicode"),
    ],
)
def test_broken_texts_are_refused_with_their_place(text: str, name: str, place: str) -> None:
    (fault,) = faults(text, name)
    assert fault.startswith(place)


def test_deep_or_exploding_texts_are_refused_quickly() -> None:
    # Releases of PyYAML from 6.0.3 on refuse it themselves.
    assert re.search("nested more than|maximum nesting depth", faults("[" * 100_000)[0])
    assert "nested more than" in faults("[" * 100_000, "c.json")[0]
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    assert "aliases counted each time" in faults("\n".join(layers))[0]


def test_unreadable_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothere\.yaml: No such file"):
        load(tmp_path / "nothere.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"server: {name: \xe9}")
    with pytest.raises(ConfigError, match=r"latin\.yaml: not UTF-8: byte 15 is 0xe9"):
        load(tmp_path / "latin.yaml")


@given(st.text(max_size=200))
def test_no_text_does_worse_than_a_config_error(text: str) -> None:
    for name in ("c.yaml", "c.json"):
        try:
            loads(text, name, environ={})
        except ConfigError as error:
            files = {problem.file for problem in error.problems}
        else:
            files = {name}
        assert files == {name}


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text().filter(lambda text: "${" not in text),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values, max_size=4), st.sampled_from([None, 2]))
def test_free_json_comes_through_unchanged(schema: dict[str, object], indent: int | None) -> None:
    schema = {**schema, "type": "object"}
    text = json.dumps({"mcp": {"tools": [{"name": "t", "input_schema": schema}]}}, indent=indent)
    assert loads(text, "c.json").mcp.tools[0].input_schema == schema


# Units


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("512Ki", 524_288),
        ("256Mi", 268_435_456),
        ("2Gi", 2_147_483_648),
        ("10K", 10_000),
        ("10M", 10_000_000),
        ("1.5G", 1_500_000_000),
        ("10MB", 10_000_000),
        ("65_536", 65_536),
        ("1", 1),
    ],
)
def test_sizes(text: str, count: int) -> None:  # A30
    assert units.size(text) == count


def test_durations_processor_shares_and_units() -> None:
    assert [units.duration(text) for text in ("500ms", "30s", "5m", "1h", "0.5s")] == [
        500_000_000,
        30_000_000_000,
        300_000_000_000,
        3_600_000_000_000,
        500_000_000,
    ]
    assert [units.millicores(text) for text in ("100m", "0.5", "2")] == [100, 500, 2000]
    assert [units.compute_units(text) for text in ("10_000_000", "10M", "1B", "5K")] == [10**7, 10**7, 10**9, 5000]


@pytest.mark.parametrize("text", ["", "-1", "1__0", "_1", "ten", "1e9", "0", "0Ki", "10Kii", "9" * 30, "9" * 50, "1 0"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        units.size(text)


@given(st.integers(1, 2**62))
def test_shown_sizes_and_durations_read_back(count: int) -> None:
    assert units.size(units.show_size(count)) == count
    milliseconds = count % 10**12 * 1_000_000 or 1_000_000
    assert units.duration(units.show_duration(milliseconds)) == milliseconds
