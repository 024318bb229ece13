"""A tool call from Python: fresh instance, fuel, JSON in and out; mcpkit's wasm room beside the `wasmtime` package."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.paths import wasmtime_library
from mcpkit.core.wasm import Engine, Tool

GUESTS = Path(__file__).with_name("guests")
ARGUMENTS = b'{"a": 40, "b": 2}'


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(str(wasmtime_library()))


def tool(engine: Engine, guest: str, *, inline: str = "auto") -> Tool:
    binary = engine.from_text((GUESTS / f"{guest}.wat").read_text())
    return Tool(engine.compile(binary), style="function", function=guest, inline=inline)


@pytest.mark.parametrize("inline", ["auto", "never"])
def test_bench_call(benchmark: BenchmarkFixture, engine: Engine, inline: str) -> None:
    benchmark.group = "add, a fresh instance per call"
    benchmark.name = {"auto": "mcpkit, inline", "never": "mcpkit, on a worker thread"}[inline]
    benchmark.extra_info["reference"] = False
    add = tool(engine, "add", inline=inline)
    assert benchmark(add.call, ARGUMENTS).output == b"42"


def test_bench_call_of_the_wasmtime_package(benchmark: BenchmarkFixture) -> None:
    from wasmtime import Config, Store, wat2wasm
    from wasmtime import Engine as PackageEngine
    from wasmtime.component import Component, Linker

    benchmark.group = "add, a fresh instance per call"
    benchmark.name = "wasmtime package"
    benchmark.extra_info["reference"] = True
    config = Config()
    config.consume_fuel = True
    engine = PackageEngine(config)
    component = Component(engine, wat2wasm((GUESTS / "add.wat").read_text()))
    linker = Linker(engine)
    index = component.get_export_index("add")
    assert index is not None

    def call(arguments: bytes) -> bytes:
        values = orjson.loads(arguments)
        store = Store(engine)
        store.set_fuel(10**9)
        function = linker.instantiate(store, component).get_func(store, index)
        assert function is not None
        result = function(store, values["a"], values["b"])
        function.post_return(store)
        store.get_fuel()
        store.close()
        return orjson.dumps(result)

    assert benchmark(call, ARGUMENTS) == b"42"
