"""Ten thousand odd requests of each era, over HTTP and over stdio. # C05 C06 N07

Each is answered as the protocol has it, none is waited for in vain, and the server is no larger afterwards.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import odd
from mutate import BOTH_ERAS, NOTIFICATIONS, ODD, Maker, check_response, request_id, unread
from servers import Connection, HttpServer, Response, http, initialize, legacy, modern, modern_headers

REQUESTS = 10_000
WARM = 3_000
MIB = 1 << 20
ERAS = ["modern", "legacy"]
REVISIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
# What the codes of errors may be answered with; a tool's fault, a session's and a missing method have two each.
STATUSES: dict[int, set[int]] = {
    -32700: {400},
    -32600: {400, 403, 404, 405, 406, 415, 421},
    -32601: {200, 404},
    -32602: {200, 400},
    -32002: {200},
    -32020: {400},
    -32021: {400},
    -32022: {400},
}
BEFORE_THE_BODY = {403, 405, 406, 415, 421, 431}


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with odd.serving() as running:
        yield running


def resident(pid: int) -> int:
    """The bytes of memory that a process has."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    raise LookupError(pid)


measured = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc for the memory of a process")


class Talk(Connection):
    """A keep-alive connection that reads answers of any length, and streams of events."""

    def chunk(self) -> bytes:
        size = int(self.read_until(b"\r\n"), 16)
        while len(self.buffer) < size + 2:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("closed inside a chunk")
            self.buffer += more
        data, self.buffer = self.buffer[:size], self.buffer[size + 2 :]
        return data

    def events(self) -> Iterator[Any]:
        """The messages of a stream until it ends."""
        text = b""
        while piece := self.chunk():
            text += piece
            while b"\n\n" in text:
                event, _, text = text.partition(b"\n\n")
                data = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
                if data and data[0]:
                    yield json.loads(b"\n".join(data))
        assert not text, text


def check_answer(answer: Response, body: bytes) -> None:
    """What holds of every answer that is no stream."""
    value = unread(body)
    wanted = request_id(value)
    if answer.status == 202 or not answer.body:
        assert answer.status in (200, 202, 204), answer
        assert answer.body == b"", answer
        assert wanted is None, (body, answer)
        return
    assert answer.headers["content-type"] == "application/json", answer
    found = answer.json
    if isinstance(found, list):
        assert answer.status == 200, answer
        assert isinstance(value, list), (body, answer)
        assert 0 < len(found) <= len(value), answer
        for one in found:
            check_response(one)
        answered = [one["id"] for one in found]
        assert all(asked in answered for one in value if (asked := request_id(one)) is not None), (body, answer)
        return
    check_response(found)
    if "error" in found:
        assert answer.status in STATUSES[found["error"]["code"]], (body, answer)
    else:
        assert answer.status == 200, answer
    unseen = answer.status in BEFORE_THE_BODY or answer.headers.get("connection") == "close"  # refused by its head
    if wanted is not None and not unseen:
        assert (found["id"], type(found["id"])) == (wanted, type(wanted)), (body, answer)


class Client:
    """Sends what a maker makes, on one connection for as long as it lives. A context manager."""

    def __init__(self, server: HttpServer, maker: Maker) -> None:
        self.server = server
        self.maker = maker
        self.talk = Talk(server.port)
        self.session: str | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.talk.close()

    def again(self) -> None:
        self.talk.close()
        self.talk = Talk(self.server.port)

    def one(self) -> None:
        """One message, and its answer."""
        maker = self.maker
        if self.maker.era == "legacy" and self.session is None:
            self.session = self.server.session(maker.random.choice(REVISIONS))
        message = maker.message()
        method = maker.random.choice(["GET", "DELETE", "PUT"]) if maker.random.random() < 0.01 else "POST"
        body = maker.body(message) if method == "POST" else b""
        lines = [f"{method} /mcp HTTP/1.1", *(f"{k}: {v}" for k, v in maker.headers(message, self.session))]
        lines.append(f"Content-Length: {len(body)}")
        self.talk.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        answer = self.talk.receive()
        if answer.headers.get("content-type") == "text/event-stream":
            self.stream(method, body, answer)
            return
        check_answer(answer, body)
        if answer.status == 404 or method == "DELETE":
            self.session = None
        if answer.headers.get("connection") == "close":
            assert self.talk.at_end()
            self.again()

    def stream(self, method: str, body: bytes, answer: Response) -> None:
        """An answer in events; one that has no end of its own is left."""
        assert answer.status == 200, answer
        value = unread(body)
        if method == "POST" and value["method"] != "subscriptions/listen":
            messages = list(self.talk.events())
            check_response(messages[-1])
            assert messages[-1]["id"] == value["id"]
            return
        if method == "POST":
            event = next(self.talk.events())
            assert event["method"] == "notifications/subscriptions/acknowledged", event
            assert event["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"] == value["id"], event
        self.again()

    def still_serves(self) -> None:
        self.again()
        self.talk.send(
            http(
                modern("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}),
                modern_headers("tools/call", "add"),
            )
        )
        assert self.talk.receive().json["result"]["structuredContent"] == {"result": 3}


@measured
@pytest.mark.parametrize("era", ERAS)
def test_over_http(server: HttpServer, era: str) -> None:
    with Client(server, Maker(era, 20260728)) as client:
        for _ in range(WARM):
            client.one()
        before = resident(server.process.pid)
        for _ in range(REQUESTS - WARM):
            client.one()
        client.still_serves()
    assert resident(server.process.pid) - before < 8 * MIB


@pytest.mark.parametrize("era", ERAS)
def test_broken_framing(server: HttpServer, era: str) -> None:
    """Heads with bytes changed, and requests that end anywhere: answered or closed, and answers are HTTP."""
    maker = Maker(era, 11)
    session = server.session() if era == "legacy" else None
    for _ in range(400):
        message = maker.message()
        body = json.dumps(message).encode()
        lines = ["POST /mcp HTTP/1.1", *(f"{k}: {v}" for k, v in maker.headers(message, session))]
        data = bytearray("\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]).encode() + body)
        for _ in range(maker.random.choice([0, 1, 1, 3])):
            at = maker.random.randrange(len(data) - len(body))
            data[at : at + 1] = maker.random.choice(
                [b"", b"\r", b"\n", b"\x00", b" ", b":", b"9", b"\xff", b"\r\n", b"chunked"]
            )
        if maker.random.random() < 0.4:
            del data[maker.random.randrange(len(data)) :]
        with Talk(server.port) as talk:
            talk.send(bytes(data))
            talk.socket.shutdown(1)  # no more will come: what is not a request by now never will be
            try:
                while True:
                    head = talk.receive()
                    assert 200 <= head.status < 600
                    if head.headers.get("content-type") == "text/event-stream":
                        break
            except (EOFError, ConnectionResetError):
                assert not talk.buffer.startswith(b"{")
    with Client(server, maker) as client:
        client.still_serves()


@measured
def test_connections_dropped_anywhere(server: HttpServer) -> None:
    def drop(count: int) -> None:
        for i in range(count):
            data = http(
                modern("tools/call", {"name": "greet", "arguments": {"name": "A" * 5000}}),
                modern_headers("tools/call", "greet"),
            )
            with Talk(server.port) as talk:
                talk.send(data[: len(data) - i % 7 * 100])

    drop(500)
    before = resident(server.process.pid)
    drop(1500)
    with Client(server, Maker("modern", 1)) as client:
        client.still_serves()
    assert resident(server.process.pid) - before < 8 * MIB


@measured
def test_abandoned_sessions_do_not_pile_up() -> None:
    """A hundred thousand sessions that nobody ends: the oldest make room."""
    with odd.serving() as server, Talk(server.port) as talk:
        first = server.session()
        request = http(initialize())

        def abandon(count: int) -> str:
            last = ""
            for _ in range(count // 100):
                talk.send(request * 100)
                for _ in range(100):
                    last = talk.receive().headers["mcp-session-id"]
            return last

        abandon(20_000)
        before = resident(server.process.pid)
        last = abandon(80_000)
        assert resident(server.process.pid) - before < 8 * MIB
        assert server.ask(legacy("ping"), {"Mcp-Session-Id": first}).status == 404
        assert server.ask(legacy("ping"), {"Mcp-Session-Id": last}).status == 200


# --- stdio ---


class Pipe:
    """A stdio server whose output is read as it comes."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            odd.command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.put(line)

    def send(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def end(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        assert self.process.wait(30) == 0
        self.reader.join()

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.reader.join()
        self.process.__exit__(None, None, None)


@measured
@pytest.mark.parametrize("era", ERAS)
def test_over_stdio(era: str) -> None:
    maker = Maker(era, 20251125)
    wanted: Counter[str] = Counter()
    found: Counter[str] = Counter()

    def take(until: str | None) -> None:
        """Read what comes until the answer with that id, or until there is nothing left."""
        while until is None or not found[until]:
            line = pipe.lines.get(timeout=20) if until is not None else None
            if line is None:
                if pipe.lines.empty():
                    return
                line = pipe.lines.get()
            message = json.loads(line)
            if "method" in message:
                assert message["jsonrpc"] == "2.0", message
                assert "id" not in message, message
                assert isinstance(message.get("params", {}), dict), message
                continue
            check_response(message)
            found[json.dumps(message["id"])] += 1

    def go(count: int) -> None:
        for start in range(0, count, 50):
            lines = []
            for _ in range(50):
                line = maker.body(maker.message())
                lines.append(line)
                for part in line.split(b"\n"):
                    value = unread(part)
                    asked = request_id(value)
                    if asked is not None and asked not in ODD and value["method"] != "subscriptions/listen":
                        wanted[json.dumps(asked)] += 1
            mark = f"mark {maker.count} {start}"
            ping = modern("server/discover", id=mark) if era == "modern" else legacy("ping", id=mark)
            pipe.send(b"\n".join([*lines, json.dumps(ping).encode()]) + b"\n")
            take(json.dumps(mark))

    with Pipe() as pipe:
        if era == "legacy":
            pipe.send(json.dumps(initialize()).encode() + b"\n")
            take("0")
        go(WARM)
        before = resident(pipe.process.pid)
        go(REQUESTS - WARM)
        assert resident(pipe.process.pid) - before < 8 * MIB
        pipe.end()
        take(None)
    assert wanted.keys() - found.keys() == set()


# --- the generator is worth its name ---


@pytest.mark.parametrize("era", ERAS)
def test_the_generator_reaches_all_kinds(era: str) -> None:
    maker = Maker(era, 1)
    bodies = [maker.body(maker.message()) for _ in range(2000)]
    values = [unread(body) for body in bodies]
    right = sum(request_id(value) is not None for value in values)
    assert 400 < right < 1600
    assert sum(value is None for value in values) > 300
    methods = {value["method"] for value in values if request_id(value) is not None}
    assert {method for method, _ in BOTH_ERAS} <= methods
    assert any(isinstance(value, list) for value in values)
    silent = [str(v.get("method")) for v in values if isinstance(v, dict) and "id" not in v]
    assert {method for method, _ in NOTIFICATIONS} <= set(silent)
    again = Maker(era, 1)
    assert [again.body(again.message()) for _ in range(2000)] == bodies
