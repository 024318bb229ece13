"""Engines: the same guests, results, compute units and limits on machine code and on the Pulley interpreter."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import guests
from mcpkit.application import Application
from mcpkit.config import loads
from mcpkit.core.wasm import CallResult, Tool
from mcpkit.wasm import Runtime
from test_wasm_limits import GREEDY, HOSTILE, SLEEP, command, function

MIB = 1024 * 1024
CALCULATOR = "example:calculator/calculator@1.0.0"
PRIMES = "example:primes/primes@1.0.0"


@pytest.fixture(scope="module")
def cranelift() -> Iterator[Runtime]:
    with Runtime(cache=False, max_instances=8) as made:
        yield made


@pytest.fixture(scope="module")
def pulley() -> Iterator[Runtime]:
    with Runtime(cache=False, max_instances=8, pulley=True) as made:
        yield made


def answer(result: CallResult) -> tuple[str, bytes, int, int]:
    return result.status, result.output, result.units, result.memory_bytes


@pytest.mark.parametrize(
    ("guest", "interface", "name", "arguments"),
    [
        ("calculator", CALCULATOR, "add", {"a": 2, "b": 40}),
        ("calculator", CALCULATOR, "divide", {"dividend": 1, "divisor": 8}),
        ("calculator", CALCULATOR, "divide", {"dividend": 1, "divisor": 0}),
        ("calculator", CALCULATOR, "statistics", {"values": [1, 2, 3, 4]}),
        ("primes", PRIMES, "count-below", {"bound": 100_000}),
    ],
)
def test_same_result_and_units(
    cranelift: Runtime, pulley: Runtime, guest: str, interface: str, name: str, arguments: dict[str, object]
) -> None:
    """A01: an interpreter answers what machine code answers, and charges the same."""
    file = guests.build(guest)
    results = [
        Tool(runtime.open(file), style="function", interface=interface, function=name).call(
            json.dumps(arguments).encode()
        )
        for runtime in (cranelift, pulley)
    ]
    assert results[0].units > 0
    assert answer(results[0]) == answer(results[1])


def test_same_command(cranelift: Runtime, pulley: Runtime) -> None:
    file = guests.build("text-stats")
    given = json.dumps({"text": "one two\nthree"}).encode()
    first, second = (
        Tool(runtime.open(file), style="command", argv=("text-stats",)).call(given) for runtime in (cranelift, pulley)
    )
    assert first.status == "ok"
    assert answer(first) == answer(second)


@pytest.mark.parametrize("inline", ["auto", "never"])
@pytest.mark.parametrize("name", ["spin", "fill", "copy", "tables"])
def test_compute_limit(pulley: Runtime, name: str, inline: str) -> None:
    """A22"""
    hostile = pulley.open_bytes(HOSTILE.encode())
    result = function(hostile, name, inline=inline, max_units=5_000_000, max_memory=64 * MIB).call(b"{}")
    assert (result.status, result.units) == ("out_of_units", 5_000_000)
    assert function(hostile, "small").call(b'{"x": 41}').output == b"42"


def test_wall_clock(pulley: Runtime) -> None:
    spinning = function(pulley.open_bytes(HOSTILE.encode()), "spin", timeout_ns=50_000_000)
    assert spinning.call(b"{}").status == "timeout"
    asleep = command(pulley.engine, SLEEP % 10_000_000_000, timeout_ns=50_000_000)
    assert asleep.call(b"").status == "timeout"


def test_memory_limit(cranelift: Runtime, pulley: Runtime) -> None:
    first, second = (command(r.engine, GREEDY, max_memory=4 * MIB).call(b"") for r in (cranelift, pulley))
    assert second.status == first.status
    assert second.status != "ok"
    assert second.memory_bytes <= 4 * MIB


def test_compiled_code_is_kept_apart(tmp_path: Path, cranelift: Runtime, pulley: Runtime) -> None:
    """One folder serves both engines, and neither is given the other's code."""
    assert cranelift.engine.fingerprint() != pulley.engine.fingerprint()
    module = b"(module)"
    for interpreted in (False, True):
        with Runtime(cache_dir=tmp_path / "code", max_instances=8, pulley=interpreted) as fresh:
            fresh.open_bytes(module)
            assert fresh.counters().compiled == 1
        with Runtime(cache_dir=tmp_path / "code", max_instances=8, pulley=interpreted) as again:
            again.open_bytes(module)
            assert again.counters().hits == 1


def test_configuration_chooses(cranelift: Runtime, pulley: Runtime) -> None:
    """A01: `runtime.wasm.compiler` decides what an application runs on."""
    for name, expected in (("cranelift", cranelift), ("pulley", pulley)):
        config = loads(f"runtime: {{wasm: {{compiler: {name}, cache: false}}}}")
        with Application(config) as application:
            assert application.runtime.engine.fingerprint() == expected.engine.fingerprint()


def test_command_line_chooses(tmp_path: Path) -> None:
    """A01: `--compiler` decides for one run, and both kinds of code lie beside each other in the cache."""
    folder = tmp_path / "code"
    for kept, compiler in enumerate(("cranelift", "pulley"), start=1):
        command = [sys.executable, "-m", "mcpkit", "call", "--compiler", compiler, "--cache-dir", str(folder)]
        command += [str(guests.build("calculator")), "add", '{"a": 2, "b": 40}']
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert (ran.returncode, ran.stdout.strip()) == (0, "42"), ran.stderr
        assert len([file for file in folder.rglob("*") if file.is_file() and file.stat().st_size > 1000]) == kept


def test_doctor_names_the_compilers() -> None:
    """A01"""
    ran = subprocess.run(
        [sys.executable, "-m", "mcpkit", "doctor", "--json"], capture_output=True, text=True, timeout=60, check=False
    )
    assert json.loads(ran.stdout)["compilers"] == ["cranelift", "pulley"]
