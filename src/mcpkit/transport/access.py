"""The access log: one line per request on the logger ``mcpkit.access``, in the form that the log has.

Nothing of a request's credentials or body is in it; a session appears as the beginning of its digest.
"""

from __future__ import annotations

import logging
import re
import time
from asyncio import Transport
from typing import TYPE_CHECKING, Any

from mcpkit.core.digest import sha256

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("mcpkit.access")

SESSION_DIGITS = 12
_UNUSUAL = re.compile(r"[^\w./:@+*~-]")


def peer_of(name: Any) -> str:
    """``127.0.0.1:5000`` of a socket's address."""
    if not name:
        return "-"
    host, port = name[0], name[1]
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


def on_core(
    transport: Transport | None,
    seconds: float,
    verb: bytes,
    method: bytes,
    name: bytes,
    session: bytes,
    principal: int,
    status: int,
    size: int,
) -> None:
    """A request that the core has answered, or whose client went away (status 0)."""
    facts: dict[str, object] = {}
    if method:
        facts["method"] = _plain(method)
    if name:
        facts["tool"] = _plain(name)
    if session:
        facts["session"] = sha256(session).hex()[:SESSION_DIGITS]
    if principal:
        facts["principal"] = principal
    peer = transport.get_extra_info("peername") if transport is not None else None
    _write(_plain(verb) or "-", "/mcp", peer, status, size, seconds, facts)


class AccessLog:
    """An ASGI application around another, for what the core does not answer. A WebSocket is one request (101)."""

    def __init__(self, app: ASGIApp, skip: str | None = None) -> None:
        """`skip` is a path whose requests are noted elsewhere."""
        self._app = app
        self._skip = skip

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in {"http", "websocket"} or (scope["type"] == "http" and scope["path"] == self._skip):
            await self._app(scope, receive, send)
            return
        began, status, size = time.monotonic(), 0, 0

        async def noting(message: Message) -> None:
            nonlocal status, size
            kind = message["type"]
            if kind.endswith("response.start"):
                status = message["status"]
            elif kind == "websocket.accept":
                status = 101
            elif kind == "websocket.close" and not status:
                status = 403
            elif kind == "websocket.send":
                size += len(message.get("bytes") or message.get("text") or "")
            size += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            verb = scope.get("method", "GET")
            path = _plain(scope["path"].encode())
            _write(verb, path, scope.get("client"), status, size, time.monotonic() - began, {})


def _plain(text: bytes) -> str:
    """Without what could pass for another part of the line."""
    return _UNUSUAL.sub("?", text.decode("utf-8", "replace"))[:128]


def _write(verb: str, path: str, peer: Any, status: int, size: int, seconds: float, facts: dict[str, object]) -> None:
    extra = {"peer": peer_of(peer), "status": status, "bytes": size, "ms": round(seconds * 1000, 3), **facts}
    log.info("%s %s", verb, path, extra=extra)
