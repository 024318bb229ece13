"""WebSocket: each text message one JSON-RPC message, in both directions, of whichever era."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

from mcpkit.core.serve import Channel, Server
from mcpkit.transport.identity import Caller, Identity

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

log = logging.getLogger(__name__)

SUBPROTOCOL = "mcp"

UNSUPPORTED_DATA = 1003
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013


class WebSocketEndpoint:
    """An ASGI application for WebSocket connections whose Host and Origin have been checked."""

    def __init__(self, server: Server, identity: Identity, *, max_outgoing: int) -> None:
        self._server = server
        self._identity = identity
        self._max_outgoing = max_outgoing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        found = await self._identity.find(scope)
        if not isinstance(found, Caller):
            await refuse(scope, send, found.status, found.headers, found.body)
            return
        subprotocol = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
        await send({"type": "websocket.accept", "subprotocol": subprotocol})
        await _Conversation(self._server, found, receive, send, self._max_outgoing).run(scope)


async def refuse(scope: Scope, send: Send, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
    """Answer a handshake with an HTTP refusal, where the ASGI server can."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    fields = [("content-type", "application/json"), *headers]
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
    await send({"type": "websocket.http.response.start", "status": status, "headers": raw})
    await send({"type": "websocket.http.response.body", "body": body})


class _Conversation:
    def __init__(self, server: Server, caller: Caller, receive: Receive, send: Send, limit: int) -> None:
        self._caller = caller
        self._receive = receive
        self._send = send
        self._limit = limit
        self._channel = Channel(server, self._write, principal=caller.number)
        self._outgoing: deque[bytes] = deque()
        self._waiting = 0
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._overflow = asyncio.Event()

    async def run(self, scope: Scope) -> None:
        """Until either side ends it."""
        parts = [
            asyncio.ensure_future(part)
            for part in (self._read(), self._deliver(), self._overflowed(), self._caller.until_refused())
        ]
        try:
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in done:
                if part.exception() is not None:
                    log.debug("a WebSocket ended: %r", part.exception())
            codes = [part.result() for part in done if part.exception() is None]
        finally:
            self._channel.close()
            for part in parts:
                part.cancel()
        code = next((code for code in codes if code), None)
        if code is None:
            return
        if code == TRY_AGAIN_LATER:
            # What waits for a peer that does not read would keep a close frame from it as well.
            carrier: asyncio.Transport | None = (scope.get("state") or {}).get("mcpkit.transport")
            if carrier is not None:
                carrier.abort()
                return
        await self._send({"type": "websocket.close", "code": code})

    def _write(self, message: bytes) -> None:
        """One message for the peer."""
        if self._waiting > self._limit:
            self._overflow.set()
            return
        self._outgoing.append(message)
        self._waiting += len(message)
        if self._waiting > self._limit // 2:
            self._room.clear()
        self._changed.set()

    async def _deliver(self) -> int | None:
        while True:
            while not self._outgoing:
                self._changed.clear()
                await self._changed.wait()
            message = self._outgoing.popleft()
            await self._send({"type": "websocket.send", "text": message.decode()})
            self._waiting -= len(message)
            if self._waiting <= self._limit // 2:
                self._room.set()

    async def _overflowed(self) -> int | None:
        await self._overflow.wait()
        return TRY_AGAIN_LATER

    async def _read(self) -> int | None:
        while True:
            await self._room.wait()  # a peer that does not read its answers is not read either
            event = await self._receive()
            if event["type"] == "websocket.disconnect":
                return None
            text = event.get("text")
            if text is None:
                return UNSUPPORTED_DATA
            self._channel.message(text.encode())
