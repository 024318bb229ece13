"""The guide's configurations: every block is a file by itself, and the four examples do what their captions say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import servers
from mcpkit.cli import exits
from mcpkit.config import effective_limits, load
from mcpkit.config.tree import Source, free, parse

GUIDE = Path("tests/guide")
EXAMPLES = Path("examples/config")
MIB = 1 << 20


@pytest.mark.parametrize("block", sorted(path.stem for path in GUIDE.glob("*.yaml")))
def test_every_block_is_a_valid_file_by_itself(block: str) -> None:  # A31, A61
    config = load(GUIDE / f"{block}.yaml")
    assert (config.policy is not None) is (block == "policy")


def test_the_alternatives_mean_what_the_guide_says() -> None:  # A21, A23, A60
    limits = {path.stem: effective_limits(load(path)) for path in GUIDE.glob("enforcement-*.yaml")}
    assert limits["enforcement-tracking"].max_units == 0
    assert limits["enforcement-warning"].warn_units == 800_000_000
    assert limits["enforcement-strict"].enforcement == "strict"
    old, new = (effective_limits(load(GUIDE / f"migration-{which}.yaml")) for which in ("old", "new"))
    assert msgspec.structs.replace(old, units_from="") == msgspec.structs.replace(new, units_from="")
    assert old.max_units == 10_000_000


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Every value of a document by its path."""
    if not isinstance(value, dict):
        return {path: value}
    return {
        here: leaf
        for key, item in value.items()
        for here, leaf in leaves(item, f"{path}.{key}" if path else key).items()
    }


def document(path: Path) -> dict[str, Any]:
    return leaves(free(parse(path.read_text(), Source(path.name, {})), lambda *_: None))


@pytest.mark.parametrize("name", ["development", "production", "minimal", "high-performance"])
def test_the_example_files_are_the_guides(name: str) -> None:  # A31
    assert document(EXAMPLES / f"{name}.yaml") == document(GUIDE / f"{name}.yaml")


# What the examples promise. The guest's work costs about as many compute units as it says, and its memory is real.

TOOL = """
(component
  (core module $m
    (memory 1)
    (func (export "work") (param $rounds i32) (result i32)
      (loop $l
        (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
        (br_if $l (i32.gt_s (local.get $rounds) (i32.const 0))))
      (i32.const 1))
    (func (export "hold") (param $pages i32) (result i32) (memory.grow (local.get $pages))))
  (core instance $i (instantiate $m))
  (func (export "work") (param "rounds" s32) (result s32) (canon lift (core func $i "work")))
  (func (export "hold") (param "pages" s32) (result s32) (canon lift (core func $i "hold"))))
"""


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A file of the tool, beside which nothing else configures anything."""
    path = tmp_path / "tool.wat"
    path.write_text(TOOL)
    return path


def call(
    tool: Path, example: str, name: str, argument: int, *words: str, **environ: str
) -> subprocess.CompletedProcess[str]:
    """`mcpkit call` under one of the examples."""
    key = {"work": "rounds", "hold": "pages"}[name]
    return subprocess.run(
        [
            *(sys.executable, "-m", "mcpkit", "call", str(tool), name, json.dumps({key: argument})),
            *("--config", str(EXAMPLES / f"{example}.yaml"), *words),
        ],
        env={**os.environ, "PYTHONPATH": "src", "XDG_STATE_HOME": str(tool.parent), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def holds(tool: Path, example: str, pages: int, **environ: str) -> bool:
    """Whether a guest gets so many pages of 64 KiB beside the one it has."""
    run = call(tool, example, "hold", pages, **environ)
    assert run.returncode == exits.OK, run.stderr
    return run.stdout != "-1\n"


def units(run: subprocess.CompletedProcess[str]) -> int:
    count: int = json.loads(run.stdout)["usage"]["compute_units"]
    return count


def test_development_counts_and_stops_nothing(tool: Path) -> None:  # A31, A21
    environ = {"MCPKIT_RUNTIME__WASM__METERING__MAX_COMPUTE_UNITS": "1000"}
    run = call(tool, "development", "work", 100_000, "--json", **environ)
    assert run.returncode == exits.OK, run.stderr
    assert units(run) > 100_000
    shown = call(tool, "development", "work", 1000, "--meter")
    assert "Compute Usage Report" in shown.stderr
    # Tracking lifts the compute limit only.
    environ = {"MCPKIT_RUNTIME__LIMITS__MEMORY": "1Mi", "MCPKIT_RUNTIME__LIMITS__EXECUTION_TIME": "500ms"}
    assert holds(tool, "development", 15, **environ)
    assert not holds(tool, "development", 16, **environ)
    assert call(tool, "development", "work", 2**31 - 1, **environ).returncode == exits.TIMEOUT


def test_production_is_strict(tool: Path) -> None:  # A31, A22, A25
    assert call(tool, "production", "work", 1_000_000).returncode == exits.OK
    run = call(tool, "production", "work", 10_000_000, "--json")
    assert run.returncode == exits.COMPUTE_LIMIT
    assert "10000000" in json.loads(run.stdout)["error"]  # per_request, the smallest of the three
    assert holds(tool, "production", 4095)  # 256 MiB are 4096 pages
    assert not holds(tool, "production", 4096)
    # Of all calls together, 10⁹ an hour: what is used is kept between them.
    environ = {"MCPKIT_RUNTIME__WASM__METERING__QUOTAS__PER_HOUR": "5M"}
    over = call(tool, "production", "work", 1_000_000, **environ)
    assert over.returncode == exits.COMPUTE_LIMIT
    assert "quota of 5000000 compute units per hour" in over.stderr
    shown = call(tool, "production", "work", 1000, "--meter")
    assert len(shown.stderr.splitlines()) == 1
    assert "CU" in shown.stderr


def test_minimal_limits_units_and_leaves_the_defaults(tool: Path) -> None:  # A31, A32
    assert call(tool, "minimal", "work", 10_000_000).returncode == exits.COMPUTE_LIMIT
    assert call(tool, "minimal", "work", 1_000_000).returncode == exits.OK
    assert holds(tool, "minimal", 8191)  # 512 MiB are 8192 pages
    assert not holds(tool, "minimal", 8192)


def test_high_performance_has_room(tool: Path) -> None:  # A31
    run = call(tool, "high-performance", "work", 200_000_000, "--json")
    assert run.returncode == exits.OK, run.stderr
    assert units(run) > 10**9 // 2
    assert holds(tool, "high-performance", 60_000)  # 3.7 GiB of address space
    run = call(tool, "high-performance", "work", 100, "--meter", "json")
    assert json.loads(run.stderr)["max_compute_units"] == 10_000_000_000


@pytest.mark.parametrize(
    ("example", "rounds", "stopped"),
    [
        ("development", 15_000_000, False),
        ("production", 15_000_000, True),
        ("minimal", 15_000_000, True),
        ("high-performance", 15_000_000, False),
    ],
)
def test_servers_hold_what_the_examples_say(tool: Path, example: str, rounds: int, stopped: bool) -> None:  # A31
    config = tool.parent / "tools.yaml"
    config.write_text("runtime: {wasm: {module_path: tool.wat}}")
    words = ["--config", str(config), "--config", str(EXAMPLES / f"{example}.yaml")]
    with servers.http_server(*words, env={"XDG_STATE_HOME": str(tool.parent)}) as server:
        result = server.call("work", {"rounds": rounds}).json["result"]
        assert bool(result.get("isError")) == stopped, result
        if stopped:
            assert "compute limit of 10000000 units" in result["content"][0]["text"]
        assert not server.call("work", {"rounds": 1000}).json["result"].get("isError")
