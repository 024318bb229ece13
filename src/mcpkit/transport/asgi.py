"""The routes beside the MCP endpoint: a Starlette application on uvicorn's protocols, loaded on first use.

A connection whose request is not for the MCP endpoint, or asks for a WebSocket, is handed over with its bytes. Should a
later request on that connection be for the MCP endpoint after all, `McpEndpoint` takes it back to the core.
"""

from __future__ import annotations

import asyncio
import logging
from asyncio import Transport
from ipaddress import ip_address
from typing import TYPE_CHECKING

from mcpkit.application import Application
from mcpkit.core.serve import Server
from mcpkit.metering.prometheus import CONTENT_TYPE
from mcpkit.transport.access import AccessLog
from mcpkit.transport.core import NANOSECONDS
from mcpkit.transport.endpoint import McpEndpoint
from mcpkit.transport.identity import Identity
from mcpkit.transport.interface import MCP_PATH, WEBSOCKET_PATH

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send
    from uvicorn import Config
    from uvicorn.server import ServerState

CLOSING_SECONDS = 1.0


class OtherRoutes:
    """Takes connections over from the core. `server` is the core's, for requests that come back."""

    server: Server

    def __init__(self, app: Application, *, websocket: bool = False) -> None:
        self._app = app
        self._websocket = websocket
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
        protocol = HttpToolsProtocol(self._config, self._state, {"mcpkit.transport": transport})
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        protocol.data_received(data)

    def count(self) -> int:
        """Connections that were taken and are still open."""
        return len(self._state.connections) if self._state is not None else 0

    async def close(self) -> None:
        """Close the connections that were taken, and end what still works for them."""
        if self._state is None:
            return
        for protocol in list(self._state.connections):
            protocol.shutdown()
        if self._state.tasks:
            _, late = await asyncio.wait(self._state.tasks, timeout=CLOSING_SECONDS)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=CLOSING_SECONDS)
        for protocol in list(self._state.connections):
            protocol.transport.abort()

    def _load(self) -> Config:
        from uvicorn import Config

        # It notes every handshake with its query, where clients may have put what is nobody's business.
        logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
        settings = self._app.config.transport.settings
        config = Config(
            self._routes(),
            http="httptools",
            ws="websockets-sansio" if self._websocket else "none",
            ws_max_size=settings.max_body_size,
            ws_ping_interval=settings.ping_interval / NANOSECONDS,
            ws_ping_timeout=settings.ping_timeout / NANOSECONDS,
            ws_per_message_deflate=False,
            timeout_keep_alive=max(1, settings.idle_timeout // 10**9),
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        config.load()
        return config

    def _routes(self) -> ASGIApp:
        settings = self._app.config.transport.settings
        identity = Identity(self._app)
        pages: ASGIApp = self._pages(identity)
        if settings.cors_enabled:
            from starlette.middleware.cors import CORSMiddleware

            pages = CORSMiddleware(pages, allow_origins=settings.cors_origins or ("*",), allow_methods=["GET", "POST"])
        sockets: ASGIApp | None = None
        if self._websocket:
            from mcpkit.transport.websocket import WebSocketEndpoint

            sockets = WebSocketEndpoint(self.server, identity, max_outgoing=settings.max_outgoing)
        endpoint = McpEndpoint(self.server, max_body=settings.max_body_size, max_outgoing=settings.max_outgoing)
        routes = _Fork(self.server, endpoint, sockets, pages)
        return AccessLog(routes, skip=MCP_PATH) if settings.access_log else routes

    def _pages(self, identity: Identity) -> Starlette:
        from starlette.applications import Starlette
        from starlette.routing import Route

        routes = [Route("/", self._welcome), Route("/health", self._health)]
        if self._app.security is not None:
            routes += [Route(path, self._metadata) for path in self._app.security.metadata_paths]
        settings = self._app.config.transport.settings
        if settings.metrics:
            routes.append(Route("/metrics", self._metrics))
        if settings.legacy_sse:
            from mcpkit.transport.sse import MESSAGES_PATH, SSE_PATH, LegacySse

            pair = LegacySse(
                self.server,
                identity,
                max_body=settings.max_body_size,
                max_outgoing=settings.max_outgoing,
                max_streams=settings.max_sessions,
            )
            routes += [Route(SSE_PATH, pair.open), Route(MESSAGES_PATH, pair.take, methods=["POST"])]
        return Starlette(routes=routes)

    async def _welcome(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        info = self._app.dispatcher.info
        url = request.url.replace(path=MCP_PATH, query="")
        body = {"name": info.name, "version": info.version, "mcp": str(url)}
        if self._websocket:
            body["websocket"] = str(url.replace(path=WEBSOCKET_PATH, scheme=url.scheme.replace("http", "ws")))
        return JSONResponse(body)

    async def _health(self, request: Request) -> Response:
        from starlette.responses import JSONResponse

        return JSONResponse({"status": "ok", "tools": len(self._app.tools)})

    async def _metrics(self, request: Request) -> Response:
        from starlette.responses import PlainTextResponse

        # Who may call tools is checked; who may look at figures is whoever is on this machine.
        if self._app.security is not None and not _is_local(request):
            return PlainTextResponse("metrics are for this machine alone where callers are authenticated\n", 403)
        return PlainTextResponse(self._app.metrics(), media_type=CONTENT_TYPE)

    async def _metadata(self, request: Request) -> Response:
        from starlette.responses import Response

        assert self._app.security is not None
        return Response(self._app.security.public_metadata(), media_type="application/json")


def _is_local(request: Request) -> bool:
    try:
        return request.client is not None and ip_address(request.client.host).is_loopback
    except ValueError:
        return False


class _Fork:
    """Which of the applications a request is for. Host and Origin are checked again: a connection may change them."""

    def __init__(self, server: Server, endpoint: ASGIApp, sockets: ASGIApp | None, pages: ASGIApp) -> None:
        self._server = server
        self._endpoint = endpoint
        self._sockets = sockets
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        http = scope["type"] == "http"
        if http and scope["path"] == MCP_PATH:
            await self._endpoint(scope, receive, send)
            return
        status = admission(self._server, scope)
        if http:
            if status:
                await _say(send, status)
            else:
                await self._pages(scope, receive, send)
            return
        if not status and (self._sockets is None or scope["path"] not in {MCP_PATH, WEBSOCKET_PATH}):
            status = 404
        if status or self._sockets is None:
            from mcpkit.transport.websocket import refuse

            await receive()
            await refuse(scope, send, status, [], _words(status))
        else:
            await self._sockets(scope, receive, send)


def admission(server: Server, scope: Scope) -> int:
    """0, or the status that a request's Host or Origin is refused with."""
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    origins = [value for name, value in scope["headers"] if name == b"origin"]
    if len(hosts) != 1 or len(origins) > 1:
        return 400
    return server.admits(hosts[0], origins[0] if origins else None)


def _words(status: int) -> bytes:
    reasons = {
        400: b"exactly one Host and at most one Origin are needed",
        403: b"this Origin may not use the server (see --allowed-origin)",
        404: b"there is nothing here; the MCP endpoint is " + MCP_PATH.encode(),
        421: b"this Host is not served here (see --allowed-host)",
    }
    return b'{"error":"' + reasons[status] + b'"}'


async def _say(send: Send, status: int) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": _words(status)})
