"""Limits under guests that do their worst: soft limits, instances, processor shares, sampling.

# A03 A06 A14-A20 A23 A24
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mcpkit.config import effective_limits, loads
from mcpkit.core.wasm import Engine, LimitError, Program
from mcpkit.wasm import Runtime
from mcpkit.wasm.sections import memory_minimum
from servers import http_server
from test_wasm_limits import HOSTILE, LIBRARY, SHOUT, SLEEP, command, finished, function

MIB = 1 << 20
SECOND = 1_000_000_000

# Holds 33 pages (2 MiB and one) and then works for about 300,000 units.
HOLDS = """(module (memory (export "memory") 1) (func (export "_start") (local $n i32)
  (drop (memory.grow (i32.const 32))) (local.set $n (i32.const 50000))
  (loop $l (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"""

LARGE_COMPONENT = """(component
  (core module $m (memory (export "memory") 4) (func (export "run") (result i32) (i32.const 1)))
  (core instance $i (instantiate $m))
  (func (export "run") (result u32) (canon lift (core func $i "run"))))"""

TWO_TABLES = """(module (memory (export "memory") 1) (table 1 funcref) (table 1 funcref) (func (export "_start")))"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine(LIBRARY, threads=2)
    yield made
    made.close()


@pytest.fixture(scope="module")
def hostile(engine: Engine) -> Program:
    return engine.compile(engine.from_text(HOSTILE))


def at_rest(engine: Engine) -> bool:
    """Results are told before the last instance is gone."""
    for _ in range(200):
        if engine.stats()["live"] == engine.stats()["queued"] == 0:
            return True
        time.sleep(0.01)
    return False


# ---- what a program needs at its start # A03 ----


def test_a_limit_below_the_modules_own_memory_is_refused_when_the_tool_is_made(engine: Engine) -> None:
    with pytest.raises(LimitError, match=r"262144 bytes of memory \(4 pages\).*limit of 131072 bytes \(2 pages\)"):
        command(engine, '(module (memory (export "memory") 4) (func (export "_start")))', max_memory=2 * 65536)


def test_the_same_for_a_component(tmp_path: Path) -> None:
    path = tmp_path / "large.wat"
    path.write_text(LARGE_COMPONENT)
    with Runtime(cache_dir=tmp_path / "cache") as runtime:
        for _ in ("compiled", "from the cache"):
            program = runtime.open(path)
            with pytest.raises(LimitError, match=r"4 pages.*3 pages"):
                function(program, "run", max_memory=3 * 65536)
            assert function(program, "run", max_memory=4 * 65536).call(b"{}").output == b"1"


def test_a_server_does_not_start_with_such_a_limit(tmp_path: Path) -> None:
    (tmp_path / "large.wat").write_text(LARGE_COMPONENT)
    config = tmp_path / "c.yaml"
    config.write_text("runtime: {wasm: {module_path: large.wat, memory_pages: 2}}")
    with pytest.raises(AssertionError, match=r"4 pages.*2 pages"), http_server("--config", str(config)):
        pass


def test_what_a_binary_says_of_its_memories(engine: Engine) -> None:
    assert memory_minimum(engine.from_text("(module (memory 3 7))")) == 3 * 65536
    assert memory_minimum(engine.from_text("(module)")) == 0
    nested = "(component (component (core module (memory 5)) (component (core module (memory 9)))))"
    assert memory_minimum(engine.from_text(nested)) == 9 * 65536
    for end in range(8, 40):  # whatever is cut off, nothing worse than a ValueError
        with contextlib.suppress(ValueError):
            memory_minimum(engine.from_text("(module (memory 3 7) (func nop))")[:end])


# ---- soft limits # A14 A23 A24 ----


def test_a_soft_memory_limit_is_noticed_and_stops_nothing(engine: Engine) -> None:
    result = command(engine, HOLDS, warn_memory=2 * MIB).call(b"{}")
    assert (result.status, result.warnings, result.memory_bytes) == ("ok", ("memory",), 33 * 65536)
    assert command(engine, HOLDS, warn_memory=2 * MIB + 65537).call(b"{}").warnings == ()


def test_both_soft_limits_in_the_results_of_a_server(tmp_path: Path) -> None:
    (tmp_path / "holds.wat").write_text(HOLDS)
    config = tmp_path / "c.yaml"
    config.write_text("""
runtime:
  wasm:
    module_path: holds.wat
    metering:
      limits: {soft_limit: 100_000}
      memory_limits: {soft_limit: 1Mi}
""")
    with http_server("--config", str(config)) as server:
        usage = server.call("holds", {}).json["result"]["_meta"]["io.mcpkit/usage"]
    assert usage["computeUnits"] > 100_000
    assert usage["warnings"] == [
        {"kind": "computeUnits", "softLimit": 100_000},
        {"kind": "memory", "softLimit": MIB},
    ]


# ---- tables and instances # A15 A16 ----


def test_tables_of_one_instance(engine: Engine) -> None:
    assert command(engine, TWO_TABLES, max_tables=2).call(b"{}").status == "ok"
    refused = command(engine, TWO_TABLES, max_tables=1).call(b"{}")
    assert refused.status != "ok"
    assert "table" in refused.detail


def test_instances_of_one_tool_wait_for_each_other_and_for_nobody_else(engine: Engine, hostile: Program) -> None:
    narrow = command(engine, SLEEP % (SECOND // 50), max_live=2, timeout_ns=SECOND // 4)
    calls = [narrow.start(b"{}") for _ in range(5)]
    time.sleep(0.05)
    assert engine.stats()["live"] == 2
    assert engine.stats()["queued"] == 3
    assert function(hostile, "small").call(b'{"x": 1}').output == b"2"
    assert {result.status for result in finished(engine, calls)} == {"timeout"}
    assert engine.stats()["queued"] == 0


def test_a_narrow_tool_serves_every_call_in_the_end(engine: Engine, hostile: Program) -> None:
    small = function(hostile, "small", max_live=1, inline="never")
    calls = [small.start(b'{"x": %d}' % i) for i in range(500)]
    assert [result.output for result in finished(engine, calls)] == [b"%d" % (i + 1) for i in range(500)]
    inline = function(hostile, "small", max_live=1)
    assert {inline.call(b'{"x": 1}').status for _ in range(100)} == {"ok"}


def test_cancelled_calls_leave_the_crowd(engine: Engine, hostile: Program) -> None:
    spin = function(hostile, "spin", enforcement="tracking", max_live=1, inline="never")
    calls = [spin.start(b"{}") for _ in range(20)]
    for call in calls[1::2]:
        call.cancel()
    finished(engine, calls[1::2])
    assert not calls[0].done
    for call in calls[::2]:
        call.cancel()
    assert {result.status for result in finished(engine, calls)} == {"cancelled"}
    assert at_rest(engine)


def test_an_engine_ends_while_a_crowd_waits(hostile: Program) -> None:
    engine = Engine(LIBRARY, threads=2, max_instances=3)
    spin = function(
        engine.compile(engine.from_text(HOSTILE)), "spin", enforcement="tracking", max_live=2, inline="never"
    )
    calls = [spin.start(b"{}") for _ in range(30)]
    engine.close()
    assert {call.result.status for call in calls if call.result} == {"cancelled"}
    assert all(call.done for call in calls)


def test_instances_of_the_whole_server(tmp_path: Path) -> None:  # runtime.limits.max_concurrent_requests
    (tmp_path / "sleep.wat").write_text(SLEEP % (SECOND // 20))
    config = tmp_path / "c.yaml"
    config.write_text(
        "runtime: {wasm: {module_path: sleep.wat}, limits: {max_concurrent_requests: 2, execution_time: 300ms}}"
    )
    with http_server("--config", str(config)) as server, ThreadPoolExecutor(6) as pool:
        results = list(pool.map(lambda _: server.call("sleep", {}).json["result"], range(6)))
    assert {result["_meta"]["io.mcpkit/error"]["kind"] for result in results} == {"timeout"}


# ---- processor share # A06 ----


def test_a_tool_gets_its_share_of_a_processor_and_no_more(engine: Engine, hostile: Program) -> None:
    """Its bucket holds one second's worth at the start; after that, a tenth of what passes."""
    spin = function(hostile, "spin", enforcement="tracking", cpu_millis=100, timeout_ns=2 * SECOND)
    assert not spin.is_inline
    before = time.process_time()
    calls = [spin.start(b"{}") for _ in range(3)]
    small = function(hostile, "small", inline="never")
    while not all(call.done for call in calls):
        assert small.call(b'{"x": 1}').output == b"2"  # others go on meanwhile
        finished(engine, [call for call in calls if call.done])
        engine.next_done()
        time.sleep(0.02)
    used = time.process_time() - before
    assert {call.result.status for call in calls if call.result} == {"timeout"}
    # 0.1 s at once and 0.1 s per second: 0.3 s in 2 s. Without the limit it would be 4 s on two processors.
    assert 0.15 < used < 0.9


def test_parked_calls_can_be_cancelled(engine: Engine, hostile: Program) -> None:
    spin = function(hostile, "spin", enforcement="tracking", cpu_millis=1)
    calls = [spin.start(b"{}") for _ in range(4)]
    time.sleep(0.1)
    for call in calls:
        call.cancel()
    assert {result.status for result in finished(engine, calls)} == {"cancelled"}
    assert at_rest(engine)


def test_a_share_changes_no_result(engine: Engine, hostile: Program) -> None:
    free, shared = (
        function(hostile, "spin", max_units=3_000_000),
        function(hostile, "spin", max_units=3_000_000, cpu_millis=500),
    )
    assert free.call(b"{}").units == shared.call(b"{}").units


# ---- sampling # A18 A19 A20 ----


@pytest.mark.parametrize("sample_units", [1000, 20_000, 100_000, 5_000_000])
@pytest.mark.parametrize("adaptive", [True, False])
def test_sampling_changes_no_units_and_finds_a_peak(
    engine: Engine, hostile: Program, sample_units: int, adaptive: bool
) -> None:
    tool = function(
        hostile, "spin", max_units=4_000_000, sample_units=sample_units, sample_ns=SECOND, sample_adaptive=adaptive
    )
    result = tool.call(b"{}")
    assert (result.status, result.units) == ("out_of_units", 4_000_000)
    assert result.peak_rate >= result.mean_rate > 0


# ---- sizes ----


def test_sizes_of_results_and_diagnostics(engine: Engine, hostile: Program) -> None:
    limits = effective_limits(loads("runtime: {limits: {max_result_size: 1Ki, max_output_size: 100}}", "c.yaml"))
    assert (limits.max_result, limits.max_output) == (1024, 100)
    result = function(hostile, "large", max_result_bytes=limits.max_result).call(b'{"n": 2000}')
    assert (result.status, "1024" in result.detail) == ("result_too_large", True)
    noisy = command(engine, SHOUT % 2, max_stderr_bytes=limits.max_output, max_units=1_000_000).call(b"{}")
    assert len(noisy.stderr) == 100


def test_every_key_reaches_the_tool(tmp_path: Path) -> None:
    """What a file says is what a call of a server is held to."""
    (tmp_path / "holds.wat").write_text(HOLDS)
    config = tmp_path / "c.yaml"
    config.write_text("runtime: {wasm: {module_path: holds.wat}, limits: {cpu: 50m, max_result_size: 10}}")
    with http_server("--config", str(config)) as server:
        answer = server.call("holds", {}).json
    assert "printed nothing" in json.dumps(answer)
