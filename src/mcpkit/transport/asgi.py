"""The routes beside the MCP endpoint: a Starlette application on uvicorn's protocol, loaded on first use.

A connection whose request is not for the MCP endpoint is handed over with its bytes. Should a later request on that
connection be for the MCP endpoint after all, `McpEndpoint` takes it back to the core.
"""

from __future__ import annotations

import asyncio
from asyncio import Transport
from typing import TYPE_CHECKING, Any

from mcpkit.application import Application
from mcpkit.core.serve import Server

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import Receive, Scope, Send
    from uvicorn import Config
    from uvicorn.server import ServerState


class OtherRoutes:
    """Takes connections over from the core. `server` is the core's, for requests that come back."""

    server: Server

    def __init__(self, app: Application) -> None:
        self._app = app
        self._config: Config | None = None
        self._state: ServerState | None = None

    def take(self, transport: Transport, data: bytes) -> None:
        """Go on with a connection whose first unserved bytes are `data`."""
        from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
        from uvicorn.server import ServerState

        if self._config is None:
            self._config = self._load()
            self._state = ServerState()
        assert self._state is not None
        protocol = HttpToolsProtocol(self._config, self._state, {})
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    async def close(self) -> None:
        """Close the connections that were taken."""
        if self._state is None:
            return
        for protocol in list(self._state.connections):
            protocol.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=1.0)

    def _load(self) -> Config:
        from uvicorn import Config

        config = Config(
            self._routes(),
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        config.load()
        return config

    def _routes(self) -> Starlette:
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(
            routes=[
                Route("/", self._welcome),
                Route("/health", self._health),
                Route("/mcp", McpEndpoint(self.server)),
            ]
        )

    async def _welcome(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        info = self._app.dispatcher.info
        return JSONResponse({"name": info.name, "version": info.version, "mcp": str(request.url.replace(path="/mcp"))})

    async def _health(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        return JSONResponse({"status": "ok", "tools": len(self._app.tools)})


class _Capture:
    """Stands where a socket's transport would: keeps what the core writes."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.answered = asyncio.Event()

    def write(self, data: bytes) -> None:
        self.written += data
        self.answered.set()

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False

    def write_eof(self) -> None:
        self.answered.set()

    def close(self) -> None:
        self.answered.set()

    abort = close


class McpEndpoint:
    """An ASGI application: answers one request through the core, with all its checks.

    A client that goes away cancels as it would there.
    """

    def __init__(self, server: Server) -> None:
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        head = f"{scope['method']} /mcp HTTP/1.1\r\n".encode()
        dropped = {b"content-length", b"transfer-encoding", b"connection", b"expect"}
        for name, value in scope["headers"]:
            if name.lower() not in dropped:
                head += name + b": " + value + b"\r\n"
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        capture = _Capture()
        protocol = self._server.protocol()
        protocol.connection_made(capture)  # type: ignore[arg-type]
        try:
            protocol.data_received(head + b"content-length: %d\r\n\r\n" % len(body) + bytes(body))
            if not await _answer_or_disconnect(capture, receive):
                return
        finally:
            protocol.connection_lost(None)
        await _send(bytes(capture.written), send)


async def _answer_or_disconnect(capture: _Capture, receive: Receive) -> bool:
    answered = asyncio.ensure_future(capture.answered.wait())
    gone = asyncio.ensure_future(receive())
    await asyncio.wait((answered, gone), return_when=asyncio.FIRST_COMPLETED)
    gone.cancel()
    if answered.done():
        return True
    answered.cancel()
    return False


async def _send(raw: bytes, send: Send) -> None:
    """The core's answer (its own writing: one head, one body) as ASGI messages."""
    head, _, body = raw.partition(b"\r\n\r\n")
    status, *fields = head.split(b"\r\n")
    headers: list[tuple[bytes, bytes]] = []
    for field in fields:
        name, _, value = field.partition(b":")
        if name not in {b"date", b"connection"}:
            headers.append((name, value.strip()))
    start: dict[str, Any] = {"type": "http.response.start", "status": int(status.split()[1]), "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})
