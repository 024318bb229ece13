"""The deprecated pair of revision 2024-11-05: GET /sse is the stream of answers, POST /messages takes messages."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from mcpkit.core.serve import Channel, Server
from mcpkit.transport.identity import Caller, Identity

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

SSE_PATH = "/sse"
MESSAGES_PATH = "/messages"
KEEP_ALIVE_SECONDS = 15.0
STREAM_HEADERS = {"cache-control": "no-cache, no-transform", "x-accel-buffering": "no"}


class _Stream:
    """One client: its channel, and the events that wait for it."""

    def __init__(self, server: Server, principal: int, limit: int) -> None:
        self.principal = principal
        self.channel = Channel(server, self._write, principal=principal)
        self.ended = False
        self._limit = limit
        self._waiting = 0
        self._messages: deque[bytes] = deque()
        self._changed = asyncio.Event()

    def _write(self, message: bytes) -> None:
        if self._waiting > self._limit:
            self.end()
            return
        self._messages.append(message)
        self._waiting += len(message)
        self._changed.set()

    def end(self) -> None:
        """No more events."""
        self.ended = True
        self._changed.set()

    async def events(self, endpoint: str) -> AsyncIterator[bytes]:
        """The stream's text: first where to post, then each message; a comment where nothing happens."""
        yield b"event: endpoint\ndata: " + endpoint.encode() + b"\n\n"
        while not self.ended:
            if not self._messages:
                self._changed.clear()
                try:
                    await asyncio.wait_for(self._changed.wait(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield b": keep-alive\n\n"
                continue
            message = self._messages.popleft()
            yield b"event: message\ndata: " + message + b"\n\n"
            self._waiting -= len(message)


class LegacySse:
    """The two routes. Streams are named by ids that nobody guesses, and belong to whoever opened them."""

    def __init__(
        self, server: Server, identity: Identity, *, max_body: int, max_outgoing: int, max_streams: int
    ) -> None:
        self._server = server
        self._identity = identity
        self._max_body = max_body
        self._max_outgoing = max_outgoing
        self._max_streams = max_streams
        self._streams: dict[str, _Stream] = {}

    async def open(self, request: Request) -> Response:
        """GET /sse."""
        from starlette.responses import StreamingResponse

        caller = await self._identity.find(request.scope)
        if not isinstance(caller, Caller):
            return _refusal(caller.status, caller.body, dict(caller.headers))
        if len(self._streams) >= self._max_streams:
            return _refusal(503, b'{"error":"too many streams; try again later"}', {"retry-after": "5"})
        name = secrets.token_hex(16)
        stream = self._streams[name] = _Stream(self._server, caller.number, self._max_outgoing)

        async def events() -> AsyncIterator[bytes]:
            refused = asyncio.ensure_future(caller.until_refused())
            refused.add_done_callback(lambda _: stream.end())
            try:
                async for event in stream.events(f"{MESSAGES_PATH}?session_id={name}"):
                    yield event
            finally:
                refused.cancel()
                del self._streams[name]
                stream.channel.close()

        return StreamingResponse(events(), media_type="text/event-stream", headers=STREAM_HEADERS)

    async def take(self, request: Request) -> Response:
        """POST /messages?session_id=…: 202, and the answer comes on the stream."""
        caller = await self._identity.find(request.scope)
        if not isinstance(caller, Caller):
            return _refusal(caller.status, caller.body, dict(caller.headers))
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refusal(415, b'{"error":"the Content-Type must be application/json"}')
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._max_body:
                return _refusal(413, b'{"error":"the message is longer than this server accepts"}')
        stream = self._streams.get(request.query_params.get("session_id", ""))
        if stream is None or stream.principal != caller.number or stream.ended:
            return _refusal(404, b'{"error":"no such session: it has ended or never began; open the stream again"}')
        stream.channel.message(bytes(body))
        return _refusal(202, b"")


def _refusal(status: int, body: bytes, headers: dict[str, str] | None = None) -> Response:
    from starlette.responses import Response

    return Response(body, status, headers, media_type="application/json" if body else None)
