"""The MCP endpoint as an ASGI application: the core reads and answers, ASGI carries."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from mcpkit.core.serve import Server
from mcpkit.transport.interface import MCP_PATH

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HOP_BY_HOP = frozenset(
    {b"content-length", b"transfer-encoding", b"connection", b"keep-alive", b"expect", b"te", b"trailer", b"upgrade"}
)
"""Headers of the connection that carried the request, not of the request."""
CARRIERS = frozenset({b"date", b"connection", b"transfer-encoding"})
"""Headers that the ASGI server writes itself."""


class Pipe:
    """Stands where a socket's transport would: what the core writes waits here for ASGI."""

    def __init__(self, scope: Scope, limit: int) -> None:
        self.chunks: deque[bytes] = deque()
        self.ended = False
        self.overflowed = False
        """Whether the client read too slowly for what it was sent."""
        self.changed = asyncio.Event()
        self._waiting = 0
        self._limit = limit
        self._client = scope.get("client")
        self._carrier: asyncio.Transport | None = (scope.get("state") or {}).get("mcpkit.transport")

    def write(self, data: bytes) -> None:
        if self._waiting > self._limit:
            self.overflowed = self.ended = True
            self.chunks.clear()
        elif not self.ended:
            self._waiting += len(data)
            self.chunks.append(data)
        self.changed.set()

    async def read(self) -> bytes:
        """The next bytes; empty at the end."""
        while not self.chunks and not self.ended:
            self.changed.clear()
            await self.changed.wait()
        return self.chunks.popleft() if self.chunks else b""

    def sent(self, data: bytes) -> None:
        """These bytes have left."""
        self._waiting -= len(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        if self._carrier is not None:
            return self._carrier.get_extra_info(name, default)
        return self._client if name == "peername" else default

    def close(self) -> None:
        self.ended = True
        self.changed.set()

    write_eof = abort = close

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self.ended

    def pause_reading(self) -> None:
        """There is nothing more to read: the request is here."""

    resume_reading = pause_reading


class McpEndpoint:
    """Answers each request through the core, with all its checks. Chunks leave as they come.

    A client that goes away cancels as it would on a connection of the core's own.
    """

    def __init__(self, server: Server, *, max_body: int, max_outgoing: int) -> None:
        self._server = server
        self._max_body = max_body
        self._max_outgoing = max_outgoing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > self._max_body or not message.get("more_body", False):
                break
        pipe = Pipe(scope, self._max_outgoing)
        protocol = self._server.protocol()
        protocol.connection_made(pipe)  # type: ignore[arg-type]
        watch = asyncio.ensure_future(_disconnect(receive))
        answer = asyncio.ensure_future(_relay(pipe, send))
        try:
            protocol.data_received(_head(scope, len(body)) + bytes(body))
            await asyncio.wait((watch, answer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            pipe.close()
            for task in (watch, answer):
                task.cancel()
            protocol.connection_lost(None)
        if answer.done() and not answer.cancelled():
            answer.result()


def _head(scope: Scope, size: int) -> bytes:
    """The request's head as it would have come over a connection that ends with the answer."""
    lines = [f"{scope['method']} {MCP_PATH} HTTP/1.1".encode()]
    for name, value in scope["headers"]:
        if name.lower() not in HOP_BY_HOP:
            lines.append(name + b": " + value.replace(b"\r", b" ").replace(b"\n", b" "))
    lines.append(b"connection: close\r\ncontent-length: %d\r\n\r\n" % size)
    return b"\r\n".join(lines)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _relay(pipe: Pipe, send: Send) -> None:
    raw = b""
    while b"\r\n\r\n" not in raw:
        piece = await pipe.read()
        if not piece:
            return
        pipe.sent(piece)
        raw += piece
    head, _, rest = raw.partition(b"\r\n\r\n")
    status, *fields = head.split(b"\r\n")
    pairs = [(name.lower(), value.strip()) for name, _, value in (field.partition(b":") for field in fields)]
    start = {
        "type": "http.response.start",
        "status": int(status.split()[1]),
        "headers": [pair for pair in pairs if pair[0] not in CARRIERS],
    }
    await send(start)
    while rest or not pipe.ended or pipe.chunks:
        if rest:
            await send({"type": "http.response.body", "body": rest, "more_body": True})
        rest = await pipe.read()
        pipe.sent(rest)
        if not rest:
            break
    if not pipe.overflowed:
        await send({"type": "http.response.body", "body": b""})
