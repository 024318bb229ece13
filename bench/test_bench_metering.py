"""What metering costs: the modes over a run without any accounting, quotas on the path of a call, their check alone."""

from __future__ import annotations

import mmap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.paths import wasmtime_library
from mcpkit.core.meter import ACCOUNT_BYTES, Accounts, Claim
from mcpkit.core.wasm import Engine, Tool

GUESTS = Path(__file__).with_name("guests")
ROUNDS = 2_000_000
NOW = 1_764_072_000

MODES: dict[str, dict[str, Any]] = {
    "tracking": {"enforcement": "tracking"},
    "strict": {"enforcement": "strict", "max_units": 10**12},
    "monitored": {"enforcement": "strict", "max_units": 10**12, "sample_units": 10_000, "sample_adaptive": False},
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(str(wasmtime_library()))


@contextmanager
def watched(engine: Engine, watch: bool) -> Iterator[None]:
    """Somebody looks at the running calls ten times a second, as `--monitor` does."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            engine.running()

    thread = threading.Thread(target=look)
    if watch:
        thread.start()
    yield
    over.set()
    if watch:
        thread.join()


def bound(engine: Engine, guest: str, **options: Any) -> Tool:
    binary = engine.from_text((GUESTS / f"{guest}.wat").read_text())
    return Tool(engine.compile(binary), style="function", function=guest, **options)


def package(guest: str, *, fuel: bool) -> Callable[[int], object]:
    """The guest's function through the `wasmtime` package, in one instance that stays."""
    from wasmtime import Config, Store, wat2wasm
    from wasmtime import Engine as PackageEngine
    from wasmtime.component import Component, Linker

    config = Config()
    config.consume_fuel = fuel
    made = PackageEngine(config)
    component = Component(made, wat2wasm((GUESTS / f"{guest}.wat").read_text()))
    index = component.get_export_index(guest)
    assert index is not None
    store = Store(made)
    if fuel:
        store.set_fuel(2**62)
    function = Linker(made).instantiate(store, component).get_func(store, index)
    assert function is not None

    def call(argument: int) -> object:
        result = function(store, argument)
        function.post_return(store)
        return result

    return call


@pytest.mark.parametrize("fuel", [False, True])
def test_bench_computing_without_us(benchmark: BenchmarkFixture, fuel: bool) -> None:
    benchmark.group = "computing for some milliseconds"
    benchmark.name = "wasmtime, its own fuel accounting" if fuel else "wasmtime, no accounting"
    benchmark.extra_info["reference"] = not fuel
    call = package("spin", fuel=fuel)
    benchmark(call, ROUNDS)


@pytest.mark.parametrize("mode", MODES)
def test_bench_computing(benchmark: BenchmarkFixture, engine: Engine, mode: str) -> None:
    benchmark.group = "computing for some milliseconds"
    benchmark.name = f"mcpkit, {mode}"
    benchmark.extra_info["reference"] = False
    spin = bound(engine, "spin", **MODES[mode])
    arguments = b'{"n": %d}' % ROUNDS
    with watched(engine, mode == "monitored"):
        assert benchmark(spin.call, arguments).status == "ok"


@pytest.mark.parametrize("mode", [*MODES, "quotas"])
def test_bench_calling(benchmark: BenchmarkFixture, engine: Engine, mode: str) -> None:
    benchmark.group = "a call of some microseconds"
    benchmark.name = f"mcpkit, {mode}"
    benchmark.extra_info["reference"] = mode == "tracking"
    options = dict(MODES.get(mode, MODES["strict"]))
    if mode == "quotas":
        accounts = Accounts(mmap.mmap(-1, 1024 * ACCOUNT_BYTES))
        server, tool = (Claim(accounts, i, units=(0, 10**13, 10**14)) for i in (1, 2))
        options |= {"server_claim": server, "tool_claim": tool}
    add = bound(engine, "add", **options)
    with watched(engine, mode == "monitored"):
        assert benchmark(add.call, b'{"a": 40, "b": 2}').output == b"42"


def test_bench_checking_a_quota(benchmark: BenchmarkFixture) -> None:
    """Counting a call, setting units aside and giving them back, in one account, called from Python."""
    benchmark.group = "a quota's check"
    benchmark.name = "count, reserve, refund"
    accounts = Accounts(mmap.mmap(-1, 1024 * ACCOUNT_BYTES))
    claim = Claim(accounts, 1, units=(10**13, 10**13, 10**13), calls=(10**12, 0, 0))

    def check() -> None:
        claim.count_call(NOW)
        claim.refund(claim.reserve(5000, NOW), NOW)

    benchmark(check)
