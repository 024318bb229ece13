"""Calls of WebAssembly tools: functions of components, WASI commands, how they end, and that none is ever lost."""

import json
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

import guests
from mcpkit.core.wasm import (
    Call,
    CallResult,
    CompileError,
    Engine,
    EngineConfigError,
    ExportError,
    LinkError,
    LoadError,
    Program,
    Tool,
)
from mcpkit.wasm import find_library

LIBRARY = str(find_library().path)

CALCULATOR = """(component
  (core module $m
    (memory (export "memory") 2)
    (global $next (mut i32) (i32.const 4096))
    (global $calls (mut i32) (i32.const 0))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $r i32)
      (local.set $r (global.get $next))
      (global.set $next (i32.add (global.get $next) (local.get 3)))
      (local.get $r))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "echo") (param i32 i32) (result i32)
      (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16))
    (func (export "divide") (param i32 i32) (result i32)
      (if (i32.eqz (local.get 1)) (then
        (i32.store (i32.const 32) (i32.const 1)) (i32.store (i32.const 36) (i32.const 64))
        (i32.store (i32.const 40) (i32.const 16)) (return (i32.const 32))))
      (i32.store (i32.const 32) (i32.const 0))
      (i32.store (i32.const 36) (i32.div_s (local.get 0) (local.get 1))) (i32.const 32))
    (data (i32.const 64) "division by zero")
    (func (export "count") (result i32)
      (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.get $calls))
    (func (export "nothing"))
    (func (export "spin") (param i32) (loop $l
      (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br_if $l (local.get 0))))
    (func (export "fail") unreachable)
    (func (export "beyond") (result i32) (i32.load (i32.const 0x7fffffff)))
    (func $deep (export "deep") (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0)))))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" s32) (param "b" s32) (result s32) (canon lift (core func $i "add")))
  (func (export "echo") (param "text" string) (result string)
    (canon lift (core func $i "echo") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (func (export "count") (result u32) (canon lift (core func $i "count")))
  (func (export "nothing") (canon lift (core func $i "nothing")))
  (func (export "spin") (param "n" u32) (canon lift (core func $i "spin")))
  (func (export "fail") (canon lift (core func $i "fail")))
  (func (export "beyond") (result u32) (canon lift (core func $i "beyond")))
  (func (export "deep") (param "n" u32) (result u32) (canon lift (core func $i "deep")))
  (func $divide (param "a" s32) (param "b" s32) (result (result s32 (error string)))
    (canon lift (core func $i "divide") (memory (core memory $i "memory")) (realloc (core func $i "realloc"))))
  (instance $api (export "divide" (func $divide)))
  (export "example:math/divider@1.0.0" (instance $api)))"""

# Copies stdin to stdout and to stderr; exits with 7 when stdout refuses.
CAT = """(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (func (export "_start")
    (block $end (loop $more
      (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 60000))
      (br_if $end (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br_if $end (i32.eqz (i32.load (i32.const 8))))
      (i32.store (i32.const 4) (i32.load (i32.const 8)))
      (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
      (if (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)) (then (call $exit (i32.const 7))))
      (br $more)))))"""

EXIT = """(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32))) (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const %d))))"""

# Prints its arguments and environment, each entry ended by a zero byte.
ARGUMENTS = """(module
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_get" (func $preopen (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func $print (i32.store (i32.const 32) (i32.const 4096)) (i32.store (i32.const 36) (i32.load (i32.const 4)))
    (drop (call $write (i32.const 1) (i32.const 32) (i32.const 1) (i32.const 40))))
  (func (export "_start")
    (drop (call $sizes (i32.const 0) (i32.const 4))) (drop (call $args (i32.const 1024) (i32.const 4096))) (call $print)
    (drop (call $environ_sizes (i32.const 0) (i32.const 4)))
    (drop (call $environ (i32.const 1024) (i32.const 4096))) (call $print)
    (if (i32.eqz (call $preopen (i32.const 3) (i32.const 64))) (then unreachable))))"""

SLEEP = """(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (i32.store (i32.const 16) (i32.const 1)) (i64.store (i32.const 24) (i64.const %d))
    (drop (call $poll (i32.const 0) (i32.const 128) (i32.const 1) (i32.const 256)))))"""


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine(LIBRARY, threads=2)
    yield made
    made.close()


def program(engine: Engine, text: str) -> Program:
    return engine.compile(engine.from_text(text))


@pytest.fixture(scope="module")
def calculator(engine: Engine) -> Program:
    return program(engine, CALCULATOR)


def function(of: Program, name: str, **options: object) -> Tool:
    return Tool(of, style="function", function=name, **options)  # type: ignore[arg-type]


def finished(engine: Engine, calls: list[Call], seconds: float = 30) -> list[CallResult]:
    """The results of started calls, in the order in which they were started."""
    end = time.monotonic() + seconds
    while any(not call.done for call in calls):
        assert time.monotonic() < end, [call.done for call in calls]
        if engine.next_done() is None:
            select.select([engine.notify_fd], [], [], 1)
    results = [call.result for call in calls]
    assert all(result is not None for result in results)
    return results  # type: ignore[return-value]


# ---- functions of components ----


def test_a_small_function_ends_on_the_callers_thread(calculator: Program) -> None:
    """B1: arguments by name in, JSON out, compute units counted."""  # A25
    add = function(calculator, "add")
    # A machine that is busy elsewhere may take the processor away in the midst of a call, which then is handed on.
    results = [add.call(b'{"b": 40, "a": 2}') for _ in range(10)]
    assert {(one.status, one.output, one.detail) for one in results} == {("ok", b"42", "")}
    result = next(one for one in results if one.inlined)
    assert result.slices == 1
    assert 0 < result.units < 100
    assert result.wall_ns > 0


def test_every_call_has_a_fresh_instance(calculator: Program) -> None:
    tool = function(calculator, "count")
    assert [tool.call(b"{}").output for _ in range(5)] == [b"1"] * 5


def test_no_result_is_null(calculator: Program) -> None:
    assert function(calculator, "nothing").call(b"{}").output == b"null"


@pytest.mark.parametrize("text", ["", "plain", 'quotes " and \\ and \n', "häßlich 日本語 🎈", "x" * 60000])
def test_strings(calculator: Program, text: str) -> None:
    result = function(calculator, "echo").call(json.dumps({"text": text}).encode())
    assert json.loads(result.output) == text


def test_functions_of_an_interface(calculator: Program) -> None:
    tool = Tool(calculator, style="function", interface="example:math/divider@1.0.0", function="divide")
    assert tool.call(b'{"a": 84, "b": 2}').output == b"42"
    refused = tool.call(b'{"a": 1, "b": 0}')
    assert (refused.status, refused.output) == ("guest_error", b'"division by zero"')
    assert refused.detail


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("add", b'{"a": 1}', "b"),
        ("add", b'{"a": 1, "b": 2147483648}', "s32"),
        ("add", b'{"a": 1, "b": "2"}', "s32"),
        ("add", b'{"a": 1, "b": 2, "c": 3}', "c"),
        ("echo", b'{"text": 1}', "string"),
    ],
)
def test_arguments_that_do_not_fit(calculator: Program, name: str, arguments: bytes, said: str) -> None:
    result = function(calculator, name).call(arguments)
    assert result.status == "bad_arguments"
    assert said in result.detail
    assert result.units == 0


@pytest.mark.parametrize("inline", ["auto", "never"])
@pytest.mark.parametrize(
    ("name", "said"), [("fail", "unreachable"), ("beyond", "out of bounds"), ("deep", "call stack exhausted")]
)
def test_traps(calculator: Program, name: str, said: str, inline: str) -> None:
    """A trap ends the call with one line about it; the tool works on."""  # A23
    tool = function(calculator, name, inline=inline)
    for _ in range(3):
        result = tool.call(b'{"n": 1}' if name == "deep" else b"{}")
        assert result.status == "trap"
        assert said in result.detail
        assert "\n" not in result.detail
        assert "backtrace" not in result.detail
    assert function(calculator, "add").call(b'{"a": 1, "b": 1}').output == b"2"


def test_a_long_call_goes_on_without_its_caller(engine: Engine, calculator: Program) -> None:
    """The first slice runs inline, the rest on a native thread, and the rate is sampled at every slice's end."""  # A27
    tool = function(calculator, "spin")
    call = tool.start(b'{"n": 5000000}')
    assert not call.done
    (result,) = finished(engine, [call])
    assert result.status == "ok"
    assert not result.inlined
    assert result.slices > 10
    assert result.units > 20_000_000
    assert result.peak_rate >= result.mean_rate > 0


def test_never_inline(calculator: Program) -> None:
    tool = function(calculator, "add", inline="never")
    assert not tool.is_inline
    result = tool.call(b'{"a": 1, "b": 2}')
    assert (result.output, result.inlined) == (b"3", False)


# ---- WASI commands ----


def test_a_command_reads_stdin_and_writes_stdout(engine: Engine) -> None:
    tool = Tool(program(engine, CAT), style="command", argv=("cat",))
    assert not tool.is_inline
    result = tool.call(b'{"text": "hello"}')
    assert (result.status, result.output, result.stderr, result.exit_status) == (
        "ok",
        b'{"text": "hello"}',
        b'{"text": "hello"}',
        0,
    )
    assert result.memory_bytes == 128 * 1024


def test_a_megabyte_through_a_command(engine: Engine) -> None:
    text = json.dumps({"text": "x" * 1_000_000}).encode()
    result = Tool(program(engine, CAT), style="command").call(text)
    assert result.output == text
    assert len(result.stderr) == 64 * 1024


@pytest.mark.parametrize(("code", "status"), [(0, "ok"), (1, "guest_error"), (42, "guest_error")])
def test_exit_status(engine: Engine, code: int, status: str) -> None:
    result = Tool(program(engine, EXIT % code), style="command").call(b"{}")
    assert (result.status, result.exit_status) == (status, code)


def test_a_command_sees_only_what_it_is_given(engine: Engine) -> None:
    """B16: arguments and environment of the tool, nothing of the host's, and no folder."""
    tool = Tool(
        program(engine, ARGUMENTS), style="command", argv=("tool", "zwei ö"), env=(("MCPKIT_TOOL", "x"), ("E", ""))
    )
    assert tool.call(b"{}").output == "tool\0zwei ö\0MCPKIT_TOOL=x\0E=\0".encode()
    assert Tool(program(engine, ARGUMENTS), style="command").call(b"{}").output == b""


def test_sleeping_commands_do_not_hold_up_others() -> None:
    """A sleeping guest blocks its thread; others get threads of their own meanwhile."""  # A23
    engine = Engine(LIBRARY, threads=2)
    sleepers = Tool(program(engine, SLEEP % 30_000_000_000), style="command", max_stuck=100)
    calls = [sleepers.start(b"{}") for _ in range(20)]
    cat = Tool(program(engine, CAT), style="command")
    assert [cat.call(b"{}").status for _ in range(5)] == ["ok"] * 5
    assert not any(call.done for call in calls)
    for call in calls:
        call.cancel()
    assert {result.status for result in finished(engine, calls)} == {"cancelled"}
    engine.close()  # their threads are left behind


def test_a_command_that_sleeps_a_little(engine: Engine) -> None:
    sleepers = Tool(program(engine, SLEEP % 50_000_000), style="command")
    results = finished(engine, [sleepers.start(b"{}") for _ in range(20)])
    assert {result.status for result in results} == {"ok"}
    assert all(result.wall_ns > 50_000_000 for result in results)


def test_commands_of_the_second_preview() -> None:
    """B16: wasi:cli/run components: streams in and out, sleeping, and the error that run may return."""
    engine = Engine(LIBRARY, max_instances=8)
    echo = Tool(engine.compile(guests.build("echo_p2").read_bytes()), style="command", max_result_bytes=10_000)
    assert echo.call(b'{"text": "hello"}').output == b'{"text": "hello"}'
    assert echo.call(json.dumps({"text": "x" * 20_000}).encode()).status == "result_too_large"
    sleep = Tool(engine.compile(guests.build("sleep_p2").read_bytes()), style="command", timeout_ns=50_000_000)
    assert sleep.call(b"{}").status == "timeout"
    for version, core, status, code in (("0.2.0", 0, "ok", 0), ("0.2.3", 1, "guest_error", 1)):
        run = f"""(component (core module $m (func (export "run") (result i32) i32.const {core}))
          (core instance $i (instantiate $m))
          (func $run (result (result)) (canon lift (core func $i "run")))
          (instance $run-interface (export "run" (func $run)))
          (export "wasi:cli/run@{version}" (instance $run-interface)))"""
        result = Tool(program(engine, run), style="command").call(b"{}")
        assert (result.status, result.exit_status) == (status, code)
    engine.close()  # the sleeper is left behind


NAMED_TO_MISLEAD = """(module (func $f (export "_start") (call $g))
  (func $g (@name "Caused by: all fuel consumed") unreachable) (memory (export "memory") 1))"""


def test_a_guest_does_not_choose_how_its_end_is_told(engine: Engine) -> None:
    """Names of functions stand in wasmtime's message, but not in ours."""
    result = Tool(program(engine, NAMED_TO_MISLEAD), style="command").call(b"{}")
    assert (result.status, result.detail) == ("trap", "wasm `unreachable` instruction executed")
    deep = Tool(program(engine, '(module (func $f (export "_start") call $f))'), style="command").call(b"{}")
    assert (deep.status, deep.detail) == ("trap", "call stack exhausted")


@pytest.mark.parametrize(
    ("inside", "status", "said"),
    [
        ("(func $s (loop (br 0))) (start $s)", "out_of_units", "1000000 units"),
        ("(func $s unreachable) (start $s)", "trap", "unreachable"),
        ('(memory 1) (data (i32.const 70000) "x")', "trap", "out of bounds"),
    ],
)
def test_programs_that_end_while_they_start(engine: Engine, inside: str, status: str, said: str) -> None:
    core = f'{inside} (func (export "_start"))'
    component = f"""(component (core module $m {core}) (core instance $i (instantiate $m))
      (func (export "f") (canon lift (core func $i "_start"))))"""
    for tool in (
        Tool(program(engine, f"(module {core})"), style="command", max_units=1_000_000),
        function(program(engine, component), "f", max_units=1_000_000),
    ):
        result = tool.call(b"{}")
        assert result.status == status
        assert said in result.detail


def test_results_that_are_not_what_their_type_says(engine: Engine) -> None:
    """Bad UTF-8 and lone surrogates of a guest are traps, never values."""
    of = program(
        engine,
        r"""(component (core module $m (memory (export "memory") 1) (data (i32.const 100) "\ff\fe")
          (func (export "text") (result i32)
            (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 2)) i32.const 0)
          (func (export "char") (result i32) i32.const 0xd800))
        (core instance $i (instantiate $m))
        (func (export "text") (result string) (canon lift (core func $i "text") (memory (core memory $i "memory"))))
        (func (export "char") (result char) (canon lift (core func $i "char"))))""",
    )
    for name, said in (("text", "utf-8"), ("char", "char")):
        result = function(of, name).call(b"{}")
        assert (result.status, result.output) == ("trap", b"")
        assert said in result.detail


def test_a_program_with_many_memories(engine: Engine) -> None:
    memories = "".join(f"(core module $m{i} (memory 1)) (core instance (instantiate $m{i}))" for i in range(5))
    text = f"""(component {memories} (core module $m (func (export "f"))) (core instance $i (instantiate $m))
      (func (export "f") (canon lift (core func $i "f"))))"""
    small = Engine(LIBRARY, max_instances=1)
    for where in (engine, small):
        assert function(program(where, text), "f").call(b"{}").status == "ok"
    small.close()


# ---- many calls ----


def test_two_hundred_at_once(engine: Engine, calculator: Program) -> None:
    spin = function(calculator, "spin")
    cat = Tool(program(engine, CAT), style="command")
    calls = [(cat if i % 2 else spin).start(b'{"n": %d}' % (100_000 + i)) for i in range(200)]
    results = finished(engine, calls)
    assert {result.status for result in results} == {"ok"}
    assert all(result.output == b'{"n": %d}' % (100_000 + i) for i, result in enumerate(results) if i % 2)
    settled(engine)


def settled(engine: Engine) -> None:
    """Everything that was used has been given back."""
    end = time.monotonic() + 10
    while engine.stats()["live"] != 0:
        assert time.monotonic() < end, engine.stats()
        time.sleep(0.01)
    assert engine.stats()["queued"] == 0


def test_more_calls_than_instances_wait_in_order(calculator: Program) -> None:
    engine = Engine(LIBRARY, max_instances=3, max_queued=10, threads=2)
    spin = function(program(engine, CALCULATOR), "spin")
    calls = [spin.start(b'{"n": 30000000}') for _ in range(13)]
    over = spin.start(b'{"n": 1}')
    assert over.done
    assert over.result is not None
    assert over.result.status == "busy"
    assert "10 calls are waiting" in over.result.detail
    assert engine.stats()["live"] == 3
    for call in calls[5:]:
        call.cancel()
    results = finished(engine, calls)
    assert [result.status for result in results] == ["ok"] * 5 + ["cancelled"] * 8
    assert spin.call(b'{"n": 1}').status == "ok"
    engine.close()


def test_a_tools_own_concurrency(engine: Engine, calculator: Program) -> None:
    spin = function(calculator, "spin", max_concurrent=2, max_units=10**12)
    calls = [spin.start(b'{"n": 4000000000}') for _ in range(3)]
    refused = calls.pop().result
    assert refused is not None
    assert refused.status == "busy"
    for call in calls:
        call.cancel()
    assert {result.status for result in finished(engine, calls)} == {"cancelled"}
    assert spin.call(b'{"n": 1}').status == "ok"


def test_calls_from_many_threads(engine: Engine, calculator: Program) -> None:
    """Tool.call is safe from any thread, long and short ones mixed."""
    add, spin = function(calculator, "add"), function(calculator, "spin")
    failures: list[object] = []

    def work(seed: int) -> None:
        for i in range(100):
            result = add.call(b'{"a": %d, "b": %d}' % (seed, i))
            if result.output != b"%d" % (seed + i):
                failures.append(result)
        result = spin.call(b'{"n": 500000}')
        if result.status != "ok":
            failures.append(result)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_calls_that_nobody_waits_for(engine: Engine, calculator: Program) -> None:
    """Dropping a tool or an engine with calls in flight is safe; the calls are cancelled and freed."""
    spin = function(calculator, "spin", max_units=10**12)
    call = spin.start(b'{"n": 4000000000}')
    del spin
    call.cancel()
    assert finished(engine, [call])[0].status == "cancelled"
    settled(engine)


def test_closing_an_engine_ends_its_calls(calculator: Program) -> None:
    engine = Engine(LIBRARY, max_instances=4, threads=2)
    of = program(engine, CALCULATOR)
    spin = function(of, "spin", max_units=10**12)
    calls = [spin.start(b'{"n": 4000000000}') for _ in range(6)]
    engine.close()
    engine.close()
    assert [call.result.status for call in calls if call.result] == ["cancelled"] * 6
    with pytest.raises(EngineConfigError, match="closed"):
        spin.call(b'{"n": 1}')
    with pytest.raises(EngineConfigError, match="closed"):
        engine.stats()


def test_a_process_ends_while_guests_run() -> None:
    """Neither a spinning nor a sleeping guest keeps the process alive or crashes its end."""
    script = f"""
from mcpkit.core.wasm import Engine, Tool
engine = Engine({LIBRARY!r}, max_instances=8)
sleep = Tool(engine.compile(engine.from_text({SLEEP % 60_000_000_000!r})), style="command")
spin = Tool(engine.compile(engine.from_text({CALCULATOR!r})), style="function", function="spin", max_units=10**12)
calls = [tool.start(b'{{"n": 4000000000}}') for tool in (sleep, spin, sleep, spin)]
"""
    assert subprocess.run([sys.executable, "-c", script], timeout=20, check=False).returncode == 0


# ---- what cannot be a tool ----


def test_not_webassembly(engine: Engine) -> None:
    for binary in (b"", b"\0asm", b"MZ\x90\0\x03\0\0\0", b"(module)"):
        with pytest.raises(CompileError, match="not a WebAssembly binary"):
            engine.compile(binary)
    with pytest.raises(CompileError, match="cannot compile the module"):
        engine.compile(b"\0asm\x01\0\0\0\xff\xff")
    with pytest.raises(CompileError, match="not WebAssembly text"):
        engine.from_text("(module (func")
    with pytest.raises(CompileError, match="UTF-8 at byte 8"):
        engine.from_text(b"(module \xff)")


def test_features_that_are_off(engine: Engine) -> None:
    """Streams and futures would abort the process when they are converted, shared memories would outlive a call."""
    for text in (
        '(component (import "f" (func (param "s" (stream u8)))))',
        "(module (memory 1 1 shared))",
        "(module (memory i64 1))",
    ):
        binary = engine.from_text(text)
        with pytest.raises(CompileError):
            engine.compile(binary)


def test_missing_imports(engine: Engine) -> None:
    module = program(engine, '(module (import "env" "secret" (func)) (func (export "_start")))')
    with pytest.raises(LinkError, match=r"env::secret"):
        Tool(module, style="command")
    component = program(
        engine,
        """(component (import "foo:bar/baz@1.0.0" (instance $i (export "f" (func))))
          (core func (canon lower (func $i "f"))))""",
    )
    with pytest.raises(LinkError, match=r"foo:bar/baz@1\.0\.0"):
        Tool(component, style="function", function="f")


def test_missing_exports(engine: Engine, calculator: Program) -> None:
    with pytest.raises(ExportError, match="no function absent"):
        function(calculator, "absent")
    with pytest.raises(ExportError, match=r"in example:math/divider@2\.0\.0"):
        Tool(calculator, style="function", interface="example:math/divider@2.0.0", function="divide")
    with pytest.raises(ExportError, match="wasi:cli/run"):
        Tool(calculator, style="command")
    for text in ("(module)", '(module (func (export "_start") (param i32)))', '(module (memory (export "_start") 1))'):
        with pytest.raises(ExportError, match="_start"):
            Tool(program(engine, text), style="command")


def test_a_zero_byte_in_an_argument(engine: Engine) -> None:
    with pytest.raises(ValueError, match="zero byte"):
        Tool(program(engine, CAT), style="command", argv=("a\0b",))


# ---- compiled code ----


def test_serialised_code_runs_in_another_engine(
    engine: Engine, calculator: Program, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("code")
    (folder / "component").write_bytes(calculator.serialize())
    (folder / "module").write_bytes(program(engine, CAT).serialize())
    other = Engine(LIBRARY, max_instances=4)
    loaded = other.load(str(folder / "component"), True)
    assert loaded.is_component
    assert loaded.describe() == calculator.describe()
    assert function(loaded, "add").call(b'{"a": 1, "b": 2}').output == b"3"
    module = other.load(str(folder / "module"), False)
    assert not module.is_component
    assert Tool(module, style="command").call(b"{}").output == b"{}"
    with pytest.raises(LoadError):
        other.load(str(folder / "component"), False)
    (folder / "half").write_bytes(calculator.serialize()[:1000])
    with pytest.raises(LoadError):
        other.load(str(folder / "half"), True)
    with pytest.raises(LoadError):
        other.load(str(folder / "absent"), True)
    other.close()


def test_descriptions(engine: Engine, calculator: Program) -> None:
    described = json.loads(program(engine, CAT).describe())
    assert described["kind"] == "module"
    assert {"module": "wasi_snapshot_preview1", "name": "fd_read", "type": "func"} in described["imports"]
    assert {"name": "memory", "type": "memory", "minimum": 2} in described["exports"]
    assert described["memory_minimum"] == 131072
    described = json.loads(calculator.describe())
    assert described["kind"] == "component"
    assert {
        "interface": "example:math/divider@1.0.0",
        "name": "divide",
        "params": [{"name": "a", "type": "s32"}, {"name": "b", "type": "s32"}],
        "result": {"result": {"ok": "s32", "err": "string"}},
    } in described["exports"]
    assert {"interface": None, "name": "nothing", "params": [], "result": None} in described["exports"]
