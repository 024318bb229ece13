"""Start real servers and talk to them with plain sockets."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
BOTH = "application/json, text/event-stream"

META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
}

ADD_WAT = """
(component
  (core module $m
    (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add)
    (func (export "spin") (param i32) (result i32) (loop $l (br $l)) unreachable))
  (core instance $i (instantiate $m))
  (func (export "add") (param "a" s32) (param "b" s32) (result s32) (canon lift (core func $i "add")))
  (func (export "spin") (param "n" s32) (result s32) (canon lift (core func $i "spin"))))
"""


@dataclass
class Response:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def command(*args: str) -> list[str]:
    return [sys.executable, "-m", "mcpkit", *args]


class Connection:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.buffer = b""

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read_until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError(f"closed after {self.buffer!r}")
            self.buffer += more
        head, _, self.buffer = self.buffer.partition(mark)
        return head

    def receive(self) -> Response:
        head = self.read_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:])}
        size = int(headers.get("content-length", "0"))
        while len(self.buffer) < size:
            more = self.socket.recv(65536)
            if not more:
                raise EOFError("closed inside a body")
            self.buffer += more
        body, self.buffer = self.buffer[:size], self.buffer[size:]
        return Response(int(head[0].split()[1]), headers, body)

    def at_end(self) -> bool:
        """True when the server has closed its side."""
        try:
            return not self.buffer and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def http(body: Any, headers: dict[str, str | None] | None = None, method: str = "POST", path: str = "/mcp") -> bytes:
    """Request bytes; a header of None is left out of the usual ones."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    usual: dict[str, str | None] = {"Host": "127.0.0.1", "Accept": BOTH, "Content-Type": "application/json"}
    usual |= headers or {}
    usual.setdefault("Content-Length", str(len(data)))
    lines = [f"{method} {path} HTTP/1.1", *(f"{k}: {v}" for k, v in usual.items() if v is not None)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def modern(
    method: str, params: dict[str, Any] | None = None, *, id: Any = 1, meta: dict[str, Any] | None = None
) -> Any:
    """A request of revision 2026-07-28."""
    return {"jsonrpc": "2.0", "id": id, "method": method, "params": {**(params or {}), "_meta": META | (meta or {})}}


def modern_headers(method: str, name: str | None = None, **more: str | None) -> dict[str, str | None]:
    return {"MCP-Protocol-Version": MODERN, "Mcp-Method": method, "Mcp-Name": name, **more}


def legacy(method: str, params: dict[str, Any] | None = None, *, id: Any = 1) -> Any:
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": id, "method": method}
    if params is not None:
        message["params"] = params
    return message


def initialize(version: str = LEGACY, id: Any = 0) -> Any:
    client = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    return legacy("initialize", client, id=id)


@dataclass
class HttpServer:
    process: subprocess.Popen[bytes]
    port: int
    log: Path
    args: Sequence[str] = field(default_factory=list)

    def connect(self) -> Connection:
        return Connection(self.port)

    def ask(self, body: Any, headers: dict[str, str | None] | None = None, **more: Any) -> Response:
        with self.connect() as connection:
            connection.send(http(body, headers, **more))
            return connection.receive()

    def call(self, name: str, arguments: Any, **more: Any) -> Response:
        """tools/call of the modern era."""
        request = modern("tools/call", {"name": name, "arguments": arguments}, **more)
        return self.ask(request, modern_headers("tools/call", name))

    def session(self, version: str = LEGACY) -> str:
        answer = self.ask(initialize(version))
        assert answer.status == 200, answer
        return answer.headers["mcp-session-id"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"


@contextmanager
def http_server(*args: str, env: dict[str, str] | None = None) -> Iterator[HttpServer]:
    """`mcpkit server --http 127.0.0.1:0 …` until the block ends; it must then stop by itself on SIGTERM."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "stderr")
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                command("server", "--http", "127.0.0.1:0", *args),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **(env or {})},
            )
        assert process.stdout
        try:
            port = None
            while port is None:
                line = process.stdout.readline()
                assert line, f"the server ended: {log.read_text()}"
                if found := re.search(rb"http://127\.0\.0\.1:(\d+)/mcp", line):
                    port = int(found[1])
            yield HttpServer(process, port, log, args)
            assert process.poll() is None, f"the server ended: {log.read_text()}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                process.kill()
                process.stdout.close()
        assert process.returncode == 0, log.read_text()
