"""The `wasmtime` Python package doing what mcpkit's engine does: a fresh, metered instance per call, through ctypes.

wasmtime_package.py ADD.wasm CALLS - prints one JSON object: nanoseconds per call, the median of ten batches. `fresh` is
store, fuel, instantiate, look up, call, read fuel, drop; `json` the same from JSON arguments to a JSON result.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import orjson
from wasmtime import Config, Engine, Store
from wasmtime.component import Component, ExportIndex, Linker

FUEL = 10**9
BATCHES = 10

config = Config()
config.consume_fuel = True
engine = Engine(config)
component = Component(engine, Path(sys.argv[1]).read_bytes())
linker = Linker(engine)
found = component.get_export_index("add")
assert found is not None
index: ExportIndex = found


def add(a: int, b: int) -> int:
    store = Store(engine)
    store.set_fuel(FUEL)
    function = linker.instantiate(store, component).get_func(store, index)
    assert function is not None
    result: int = function(store, a, b)
    function.post_return(store)
    store.get_fuel()
    store.close()
    return result


def add_json(arguments: bytes) -> bytes:
    values = orjson.loads(arguments)
    return orjson.dumps(add(values["a"], values["b"]))


def nanoseconds(call: Callable[[int], object], calls: int) -> float:
    batches = []
    for batch in range(BATCHES + 1):
        start = time.perf_counter_ns()
        for i in range(calls // BATCHES):
            call(i)
        if batch:
            batches.append((time.perf_counter_ns() - start) / (calls // BATCHES))
    return statistics.median(batches)


assert add(40, 2) == 42
assert add_json(b'{"a": 40, "b": 2}') == b"42"
count = int(sys.argv[2])
figures = {
    "fresh_ns": nanoseconds(lambda i: add(i, 2), count),
    "json_ns": nanoseconds(lambda i: add_json(b'{"a": 40, "b": 2}'), count),
}
sys.stdout.write(orjson.dumps(figures).decode() + "\n")
