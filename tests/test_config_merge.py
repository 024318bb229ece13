"""Several files and the environment as one configuration: what wins, and what messages name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import servers
from mcpkit.config import ConfigError, Loaded, Problem, effective_limits, find, gather, loads, units
from mcpkit.config.merge import merged
from mcpkit.config.tree import Source, Table, free, parse


def files(folder: Path, *texts: str) -> list[Path]:
    paths = [folder / f"{i}.yaml" for i in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return paths


def both(folder: Path, *texts: str, **environ: str) -> Loaded:
    return gather(files(folder, *texts), environ)


def faults(folder: Path, *texts: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        both(folder, *texts, **environ)
    return [line.replace(f"{folder}{os.sep}", "") for line in str(error.value).splitlines()]


# Files over files


def test_later_files_win_key_by_key_and_lists_are_replaced(tmp_path: Path) -> None:  # A61
    config = both(
        tmp_path,
        "server: {name: base, port: 80}\nruntime: {wasm: {fuel: 5M, modules: [{path: a.wasm}, {path: b.wasm}]}}",
        "server: {port: 81}\nruntime: {wasm: {modules: [{path: c.wasm}]}, limits: {memory: 1Mi}}",
    ).config
    assert (config.server.name, config.server.port) == ("base", 81)
    assert [module.label for module in config.modules()] == ["c"]
    assert (config.runtime.wasm.fuel, config.runtime.limits.memory) == (5_000_000, 1 << 20)


def test_paths_stay_relative_to_the_file_that_names_them(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first, second = tmp_path / "one/c.yaml", tmp_path / "two/c.json"
    first.write_text("runtime: {wasm: {module_path: a.wasm, cache_dir: kept}}")
    second.write_text('{"runtime": {"wasm": {"module_path": "b.wasm"}}}')
    wasm = gather([first, second], {}).config.runtime.wasm
    assert wasm.module_path == tmp_path / "two/b.wasm"
    assert wasm.cache_dir == tmp_path / "one/kept"


def test_an_entry_that_says_nothing_takes_back_what_stood_before(tmp_path: Path) -> None:
    loaded = both(tmp_path, "server: {port: 80, name: x}", "server: {port: }")
    assert (loaded.config.server.port, loaded.config.server.name) == (3000, "x")
    assert "server.port" not in loaded.origins


def test_taking_the_security_section_back_is_not_done_by_an_empty_line(tmp_path: Path) -> None:
    key = f"sha256:{'0' * 32}:{'0' * 64}"
    (fault,) = faults(tmp_path, f"security: {{api_keys: [{{name: a, hash: '{key}'}}]}}", "security:")
    assert fault.startswith("1.yaml:1:10: security: lets everybody in")


def test_faults_of_all_files_come_together_each_with_its_own_place(tmp_path: Path) -> None:  # A61
    assert faults(tmp_path, "server:\n  port: 0\n  nme: x", "server: {title: t}\nruntime:\n  limits: {memory: 1X}") == [
        "0.yaml:2:9: server.port: must be between 1 and 65535, got 0",
        "0.yaml:3:3: server.nme: unknown key; did you mean 'name'?",
        "1.yaml:3:20: runtime.limits.memory: unknown suffix 'X' of '1X'; "
        "sizes take Ki, Mi, Gi, K, M, G or none (bytes)",
    ]
    assert set(faults(tmp_path, "server: {port: 1, port: 2}", "server: [", "- 1")) == {
        "0.yaml:1:19: server.port: stands twice in one place; first on line 1",
        "2.yaml:1:1: expected keys and values",
        *faults(tmp_path, "server: {}", "server: ["),
    }
    assert "2.yaml:1:1: expected keys and values" in faults(tmp_path, "", "", "- 1")


def test_checks_across_keys_name_the_file_that_is_at_fault(tmp_path: Path) -> None:
    tool = "mcp: {tools: [{name: t, module: b}]}"
    assert faults(tmp_path, "runtime: {wasm: {module_path: a.wasm}}", tool) == [
        "1.yaml:1:33: mcp.tools[0].module: no module 'b'; there are a"
    ]


def test_modules_that_are_not_there_are_warnings_with_their_place(tmp_path: Path) -> None:
    loaded = both(tmp_path, "runtime: {wasm: {module_path: a.wasm}}", "server: {port: 1}")
    (warning,) = loaded.warnings
    assert str(warning) == (
        f"{tmp_path / '0.yaml'}:1:31: runtime.wasm.module_path: there is no file {tmp_path / 'a.wasm'}"
    )


# The environment over files


def test_the_environment_wins_over_files(tmp_path: Path) -> None:  # A48
    environ = {
        "MCPKIT_SERVER__PORT": "8080",
        "MCPKIT_RUNTIME__WASM__FUEL": "5M",
        "MCPKIT_RUNTIME__WASM__CACHE": "false",
        "MCPKIT_TRANSPORT__SETTINGS__ALLOWED_HOSTS": "a.example, b.example",
        "MCPKIT_RUNTIME__WASM__METERING__ENFORCEMENT__WARNING__THRESHOLD": "0.5",
        "MCPKIT_RUNTIME__LIMITS": "{memory: 1Mi, execution_time: 3s}",
        "MCPKIT_RUNTIME__LIMITS__MEMORY": "2Mi",
    }
    loaded = both(tmp_path, "server: {port: 80, name: n}\nruntime: {limits: {memory: 7Mi}}", **environ)
    config = loaded.config
    assert (config.server.port, config.server.name) == (8080, "n")
    assert (config.runtime.wasm.fuel, config.runtime.wasm.cache) == (5_000_000, False)
    assert config.transport.settings.allowed_hosts == ("a.example", "b.example")
    limits = effective_limits(config)
    assert (limits.max_memory, limits.timeout_ns, limits.warn_units) == (2 << 20, 3 * 10**9, 2_500_000)
    assert loaded.origins["server.port"] == "environment variable MCPKIT_SERVER__PORT"
    assert loaded.origins["server.name"] == f"{tmp_path / '0.yaml'}:1"


def test_variables_that_are_empty_or_no_settings_say_nothing(tmp_path: Path) -> None:
    environ = {"MCPKIT_SERVER__PORT": "", "MCPKIT_CACHE_DIR": "/x", "MCPKIT_NO_SKIPS": "1", "MCPKIT_VERSION": "9"}
    assert both(tmp_path, "", **environ) == both(tmp_path, "")


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("MCPKIT_SERVER__PORT", "http", "server.port: expected a whole number such as 10_000_000, got 'http'"),
        ("MCPKIT_SERVER__PROT", "1", "there is no such setting; did you mean MCPKIT_SERVER__PORT?"),
        (
            "MCPKIT_TRANSPORT__SETTINGS__PORT",
            "1",
            "there is no such setting; did you mean MCPKIT_SERVER__PORT?",
        ),
        ("MCPKIT_SERVER_PORT", "1", "there is no such setting; did you mean MCPKIT_SERVER__PORT?"),
        ("MCPKIT_server__port", "1", "there is no such setting; did you mean MCPKIT_SERVER__PORT?"),
        ("MCPKIT_SERVER__WORKERS", "2", "server.workers: not supported yet in this version; remove the key"),
        ("MCPKIT_TRANSPORT__TYPE", "grpc", "transport.type: grpc is not yet available"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path: Path, name: str, value: str, fault: str) -> None:  # A48
    (message,) = faults(tmp_path, "server: {port: 80}", **{name: value})
    assert message.startswith(f"environment variable {name}: {fault}")


def test_structure_in_a_variable_is_checked_as_in_a_file(tmp_path: Path) -> None:
    (message,) = faults(tmp_path, "", MCPKIT_RUNTIME__LIMITS="{memory: 1Mi, cpus: 1}")
    assert message.startswith("environment variable MCPKIT_RUNTIME__LIMITS:1:15: runtime.limits.cpus: unknown key")


def test_a_key_that_stands_twice_is_a_fault_wherever_it_stands(tmp_path: Path) -> None:
    twice = "0.yaml:1:19: server.port: stands twice in one place; first on line 1"
    assert faults(tmp_path, "server: {port: 1, port: 2}") == [twice]
    assert faults(tmp_path, "server: {port: 1, port: 2}", MCPKIT_SERVER__NAME="x") == [twice]
    (message,) = faults(tmp_path, "", MCPKIT_RUNTIME__LIMITS="{memory: 1Mi, memory: 2Mi}")
    assert "runtime.limits.memory: stands twice" in message


def test_a_variable_that_is_no_unicode_is_a_fault(tmp_path: Path) -> None:
    (message,) = faults(tmp_path, "", MCPKIT_SERVER__NAME="a\udcff")
    assert message.startswith("environment variable MCPKIT_SERVER__NAME: not Unicode text")


# Where files are looked for


def test_the_current_folder_is_looked_at_first_then_the_users_then_the_machines(tmp_path: Path) -> None:  # A61
    user = tmp_path / "xdg"
    (user / "mcpkit").mkdir(parents=True)
    environ = {"XDG_CONFIG_HOME": str(user), "HOME": str(tmp_path / "home")}
    assert find(environ, tmp_path) in (None, Path("/etc/mcpkit/config.yaml"))
    (user / "mcpkit/config.yaml").touch()
    assert find(environ, tmp_path) == user / "mcpkit/config.yaml"
    for name in ("mcpkit.json", "mcpkit.yml", "mcpkit.yaml"):
        (tmp_path / name).touch()
        assert find(environ, tmp_path) == tmp_path / name


def test_a_relative_config_home_is_ignored(tmp_path: Path) -> None:
    home = tmp_path / ".config/mcpkit"
    home.mkdir(parents=True)
    (home / "config.yaml").touch()
    environ = {"XDG_CONFIG_HOME": "conf", "HOME": str(tmp_path)}
    assert find(environ, tmp_path / "elsewhere") == home / "config.yaml"


def mcpkit(folder: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder`, with nothing of the user's own configuration."""
    variables = {**os.environ, "XDG_CONFIG_HOME": str(folder / "none"), **environ}
    variables["PYTHONPATH"] = os.path.abspath("src")  # noqa: PTH100
    return subprocess.run(
        [sys.executable, "-m", "mcpkit", *words],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_flags_over_environment_over_later_files_over_earlier_ones(tmp_path: Path) -> None:  # A48, A61
    (tmp_path / "tool.wat").write_text(servers.ADD_WAT)
    (tmp_path / "mcpkit.yaml").write_text("runtime: {wasm: {fuel: 1_000}}")
    files(tmp_path, "runtime: {wasm: {fuel: 2_000}}", "runtime: {wasm: {fuel: 3_000}}")

    def stopped_at(*words: str, **environ: str) -> str:
        run = mcpkit(tmp_path, "call", "tool.wat", "spin", '{"n": 1}', "--json", *words, **environ)
        assert json.loads(run.stdout)["status"] == "out_of_units", run.stderr
        return str(json.loads(run.stdout)["error"])

    named = ["--config", "0.yaml", "--config", "1.yaml"]
    assert "limit of 1000 units" in stopped_at()
    assert "limit of 3000 units" in stopped_at(*named)
    assert "limit of 4000 units" in stopped_at(*named, MCPKIT_RUNTIME__WASM__FUEL="4_000")
    assert "limit of 5000 units" in stopped_at(
        *named, "--max-compute-units", "5000", MCPKIT_RUNTIME__WASM__FUEL="4_000"
    )


def test_a_broken_file_that_was_found_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tool.wat").write_text(servers.ADD_WAT)
    (tmp_path / "mcpkit.yml").write_text("runtime: {wasm: {fule: 1}}")
    run = mcpkit(tmp_path, "call", "tool.wat")
    assert run.returncode != 0
    assert "mcpkit.yml:1:18: runtime.wasm.fule: unknown key; did you mean 'fuel'?" in run.stderr


# Properties

keys = st.sampled_from(["a", "b", "c"])
values = st.recursive(
    st.integers(0, 9) | st.lists(st.integers(0, 9), max_size=3),
    lambda inner: st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(keys, values, max_size=3)


def tree(document: Mapping[str, object]) -> Table:
    node = parse(json.dumps(document), Source("c.json", {}))
    assert isinstance(node, Table)
    return node


def plain(*documents: Mapping[str, object]) -> object:
    """What merging the documents gives, as plain data."""
    node = tree(documents[0])
    for document in documents[1:]:
        node = merged(node, tree(document))  # type: ignore[assignment]

    def fault(*_: object) -> None:
        raise AssertionError

    return free(node, fault)


def expected(base: object, over: object) -> object:
    """The rule, written down a second time."""
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: expected(base[key], value) if key in base else value for key, value in over.items()}}
    return over


@given(documents, documents)
def test_merging_follows_the_rule(base: dict[str, object], over: dict[str, object]) -> None:
    assert plain(base, over) == expected(base, over)


@given(documents, documents)
def test_merging_with_nothing_or_itself_changes_nothing(one: dict[str, object], other: dict[str, object]) -> None:
    assert plain(one, {}) == plain({}, one) == plain(one, one) == one
    assert plain(one, other, other) == plain(one, other)


@given(st.integers(1, 10**12), st.sampled_from(["", "K", "M", "G", "Ki", "Mi", "Gi", "KB", "MB", "GB", "B"]))
def test_a_quantity_means_its_number_times_its_suffix(number: int, suffix: str) -> None:  # A30
    factors = {"": 1, "B": 1, "K": 1000, "M": 1000**2, "G": 1000**3, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30}
    value = number * factors[suffix.removesuffix("B") if suffix != "B" else "B"]
    if value < 1 << 63:
        assert units.size(f"{number}{suffix}") == units.size(f"{number:_} {suffix}".strip()) == value
        assert effective_limits(loads(f"runtime: {{limits: {{memory: '{number}{suffix}'}}}}")).max_memory == value


@given(st.integers(1, 10**6), st.integers(0, 999), st.sampled_from([("ms", 10**6), ("s", 10**9), ("m", 60 * 10**9)]))
def test_durations_take_fractions_exactly(whole: int, thousandths: int, unit: tuple[str, int]) -> None:
    suffix, nanoseconds = unit
    assert (
        units.duration(f"{whole}.{thousandths:03}{suffix}") == whole * nanoseconds + thousandths * nanoseconds // 1000
    )


@given(st.integers(1, 10**9), st.sampled_from([("", 1), ("K", 10**3), ("M", 10**6), ("G", 10**9), ("B", 10**9)]))
def test_compute_units_in_a_file_and_in_a_variable_are_the_same(number: int, unit: tuple[str, int]) -> None:
    suffix, factor = unit
    text = f"{number:_}{suffix}"
    by_file = loads(f"runtime: {{wasm: {{fuel: {text}}}}}").runtime.wasm.fuel
    by_variable = gather([], {"MCPKIT_RUNTIME__WASM__FUEL": text}).config.runtime.wasm.fuel
    assert by_file == by_variable == number * factor


variables = st.sampled_from(
    [
        "MCPKIT_SERVER__PORT",
        "MCPKIT_SERVER__NAME",
        "MCPKIT_RUNTIME__LIMITS",
        "MCPKIT_RUNTIME__WASM__MODULES",
        "MCPKIT_RUNTIME__WASM__METERING__ENFORCEMENT",
        "MCPKIT_MCP__TOOLS",
        "MCPKIT_TRANSPORT__SETTINGS__ALLOWED_HOSTS",
        "MCPKIT_SECURITY__OAUTH",
        "MCPKIT_POLICY__CORE",
    ]
) | st.text(st.characters(codec="ascii", exclude_characters="=\0"), max_size=20).map("MCPKIT_".__add__)
hostile = st.text(st.characters(exclude_characters="\0"), max_size=40) | st.sampled_from(
    ["{", "[", "{a: [", "[{path: x}, null]", "{memory: &a 1Mi, cpu: *a}", "${", "\udc80", "{{}: 1}", "[[[[[[[["]
)


@given(st.dictionaries(variables, hostile, max_size=4))
def test_no_environment_does_worse_than_a_config_error(environ: dict[str, str]) -> None:
    problems: tuple[Problem, ...] = ()
    try:
        gather([], environ)
    except ConfigError as error:
        problems = error.problems
    assert all("environment variable MCPKIT_" in problem.file for problem in problems)
