"""stdio as clients and shells use it: whatever stdin and stdout are, both eras in one process. # C07 B18"""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers import ADD_WAT, LEGACY, command, initialize, legacy, modern


@pytest.fixture(scope="module")
def tool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guest") / "add.wat"
    path.write_text(ADD_WAT)
    return path


def call(a: int, b: int, id: Any = 1) -> Any:
    return modern("tools/call", {"name": "add", "arguments": {"a": a, "b": b}}, id=id)


def lines(*messages: Any) -> bytes:
    return b"".join(m if isinstance(m, bytes) else json.dumps(m).encode() + b"\n" for m in messages)


def answers(output: bytes) -> list[Any]:
    return [json.loads(line) for line in output.splitlines()]


def run(tool: Path, given: bytes, **more: Any) -> list[Any]:
    done = subprocess.run(
        command("server", str(tool)), input=given, capture_output=True, timeout=60, check=True, **more
    )
    return answers(done.stdout)


class Session:
    """A running stdio server and the pipes to it."""

    def __init__(self, *args: str) -> None:
        self.process = subprocess.Popen(command("server", *args), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, *messages: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(lines(*messages))
        self.process.stdin.flush()

    def receive(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the server ended"
        return json.loads(line)

    def ask(self, message: Any) -> Any:
        self.send(message)
        return self.receive()


@pytest.fixture
def session(tool: Path) -> Iterator[Session]:
    session = Session(str(tool))
    yield session
    assert session.process.stdin
    assert session.process.stdout
    session.process.stdin.close()
    assert session.process.wait(20) == 0
    session.process.stdout.close()


def test_pipes(tool: Path) -> None:
    (answer,) = run(tool, lines(call(2, 3)))
    assert answer["result"]["structuredContent"] == {"result": 5}


def test_a_file_as_input_and_a_file_as_output(tool: Path, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(lines(*(call(i, 1, id=i) for i in range(100))).rstrip(b"\n"))
    with (tmp_path / "in").open("rb") as given, (tmp_path / "out").open("wb") as taken:
        subprocess.run(command("server", str(tool)), stdin=given, stdout=taken, timeout=60, check=True)
    got = answers((tmp_path / "out").read_bytes())
    assert sorted((a["id"], a["result"]["structuredContent"]["result"]) for a in got) == [
        (i, i + 1) for i in range(100)
    ]


def test_dev_null_both_ways(tool: Path) -> None:
    with Path(os.devnull).open("r+b") as null:
        subprocess.run(command("server", str(tool)), stdin=null, stdout=null, timeout=60, check=True)


def test_sockets(tool: Path) -> None:
    ours, theirs = socket.socketpair()
    with ours, subprocess.Popen(command("server", str(tool)), stdin=theirs, stdout=theirs) as process:
        theirs.close()
        ours.settimeout(60)
        ours.sendall(lines(call(4, 5)))
        with ours.makefile("rb") as file:
            assert json.loads(file.readline())["result"]["structuredContent"] == {"result": 9}
        ours.shutdown(socket.SHUT_WR)
        assert process.wait(20) == 0


def test_a_terminal(tool: Path) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command("server", str(tool)), stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        os.close(theirs)
        os.write(ours, lines(call(4, 5)) + b"\x04")  # ^D ends the input
        assert process.stdout
        assert json.loads(process.stdout.readline())["result"]["structuredContent"] == {"result": 9}
        assert process.wait(20) == 0
    os.close(ours)


def test_nonblocking_pipes(tool: Path) -> None:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    with subprocess.Popen(command("server", str(tool)), stdin=read_end, stdout=subprocess.PIPE) as process:
        os.close(read_end)
        assert process.stdout
        for i in range(3):
            os.write(write_end, lines(call(i, i)))
            assert json.loads(process.stdout.readline())["result"]["structuredContent"] == {"result": 2 * i}
        os.close(write_end)
        assert process.wait(20) == 0


def test_both_eras_in_one_process(session: Session) -> None:
    discovered = session.ask(modern("server/discover"))["result"]
    assert "tools" in discovered["capabilities"]
    assert session.ask(initialize())["result"]["protocolVersion"] == LEGACY
    session.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert session.ask(legacy("ping", id="p"))["id"] == "p"
    old = session.ask(legacy("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}))["result"]
    new = session.ask(call(1, 2))["result"]
    assert old["structuredContent"] == new["structuredContent"] == {"result": 3}
    assert "resultType" in new
    assert "resultType" not in old
    assert [t["name"] for t in session.ask(legacy("tools/list"))["result"]["tools"]] == ["add", "spin"]


def test_requests_before_initialize(session: Session) -> None:
    assert session.ask(legacy("tools/list"))["error"]["code"] == -32600
    assert session.ask(legacy("ping"))["result"] == {}


def test_broken_lines_are_answered_and_the_next_is_served(session: Session) -> None:
    for line, code in (
        (b"{\n", -32700),
        (b"\xff\n", -32700),
        (b"[]\n", -32600),
        (b'{"jsonrpc":"2.0","id":5,"method":1}\n', -32600),
        (b"{" + b" " * (5 << 20) + b"}\n", -32600),
    ):
        session.send(line)
        assert session.receive()["error"]["code"] == code
    session.send(b"\n\r\n" + lines(call(1, 1)).replace(b"\n", b"\r\n"))
    assert session.receive()["result"]["structuredContent"] == {"result": 2}


def test_notifications_and_responses_are_not_answered(session: Session) -> None:
    session.send(
        {"jsonrpc": "2.0", "method": "notifications/nonsense"},
        {"jsonrpc": "2.0", "id": 9, "result": {}},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}},
        call(1, 1, id="only"),
    )
    assert session.receive()["id"] == "only"


def test_cancellation_leaves_no_answer(session: Session) -> None:
    for message in (modern("tools/call", {"name": "spin", "arguments": {"n": 1}}, id="slow"), call(1, 2, id=1)):
        session.send(message)
    assert session.receive()["id"] == 1
    session.send(
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "slow", "reason": "enough"}}
    )
    assert session.ask(call(2, 2, id=2))["id"] == 2


def test_a_slow_call_does_not_hold_up_others(tool: Path) -> None:
    session = Session(str(tool), "--max-compute-units", "300_000_000")
    session.send(
        modern("tools/call", {"name": "spin", "arguments": {"n": 1}}, id="slow"), *(call(i, 0, id=i) for i in range(20))
    )
    assert sorted(session.receive()["id"] for _ in range(20)) == list(range(20))
    assert session.process.stdin
    session.process.stdin.close()  # what is running is still answered
    slow = session.receive()
    assert slow["id"] == "slow"
    assert slow["result"]["_meta"]["io.mcpkit/error"]["kind"] == "out_of_units"
    assert session.process.wait(20) == 0
    assert session.process.stdout
    session.process.stdout.close()


def test_exit_when_nobody_reads_any_more(tool: Path) -> None:
    session = Session(str(tool), "--max-compute-units", "1_000_000_000_000", "--timeout", "10m")
    session.send(modern("tools/call", {"name": "spin", "arguments": {"n": 1}}, id="slow"), call(1, 1))
    session.receive()
    assert session.process.stdin
    assert session.process.stdout
    session.process.stdout.close()
    session.process.stdin.close()
    assert session.process.wait(30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it(tool: Path, number: signal.Signals) -> None:
    session = Session(str(tool))
    assert session.ask(call(1, 1))["result"]
    session.process.send_signal(number)
    assert session.process.wait(20) in {0, -number, 128 + number}
    assert session.process.stdin
    assert session.process.stdout
    session.process.stdin.close()
    session.process.stdout.close()


def test_a_large_argument_and_result(session: Session) -> None:
    answer = session.ask(modern("tools/call", {"name": "add", "arguments": {"a": 1, "b": 1, "c": "x" * 1_000_000}}))
    assert answer["result"]["isError"] is True
    assert len(answer["result"]["content"][0]["text"]) < 2000
