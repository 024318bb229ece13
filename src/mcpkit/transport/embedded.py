"""mcpkit inside another ASGI application.

from starlette.applications import Starlette
from starlette.routing import Route
app = Starlette(routes=[Route("/mcp", asgi_app("config.yaml"))])
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from mcpkit.application import Application
from mcpkit.config import Config, load
from mcpkit.core.serve import Server
from mcpkit.transport.asgi import admission
from mcpkit.transport.core import core_server
from mcpkit.transport.endpoint import McpEndpoint
from mcpkit.transport.http import SWEEP_SECONDS
from mcpkit.transport.identity import Identity
from mcpkit.transport.websocket import WebSocketEndpoint, refuse

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


def asgi_app(
    what: Application | Config | str | os.PathLike[str], *, hosts: Iterable[str] = (), owned: bool | None = None
) -> AsgiApp:
    """An ASGI application that serves MCP at whatever path it is put: HTTP, and WebSocket where the other side asks.

    `what` is an application, a configuration, or a configuration's file; `owned` says whether it is closed with the
    ASGI lifespan or by `aclose` (None: unless it is an application). `hosts` are accepted in Host and Origin beside
    the loopback names and those configured. Raises ConfigError, what `Application` raises, or PolicyError where the
    policy does not allow HTTP.
    """
    if isinstance(what, Application):
        return AsgiApp(what, hosts=hosts, owned=bool(owned))
    app = Application(what if isinstance(what, Config) else load(what))
    try:
        return AsgiApp(app, hosts=hosts, owned=owned is not False)
    except BaseException:
        app.close()
        raise


class AsgiApp:
    """See `asgi_app`. Serves one event loop at a time: the one of its first request."""

    def __init__(self, app: Application, *, hosts: Iterable[str] = (), owned: bool = False) -> None:
        app.require_transport("http")
        self.application = app
        self._websocket = app.policy is None or app.policy.transport("websocket").allowed
        self._hosts = tuple(hosts)
        self._owned = owned
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        server = self._attach()
        security = self.application.security
        if security is not None and scope["type"] == "http" and scope["path"] in security.metadata_paths:
            await _document(send, security.public_metadata() or b"")
            return
        if scope["type"] == "websocket":
            status = admission(server, scope) if self._websocket else 403
            if status:
                await receive()
                await refuse(scope, send, status, [], b"")
            else:
                await self._sockets(scope, receive, send)
        else:
            await self._endpoint(scope, receive, send)

    async def aclose(self) -> None:
        """Cancel what runs and let go of the event loop. The next request would begin anew."""
        server, self._server = self._server, None
        loop, self._loop = self._loop, None
        if server is not None:
            if self._sweeper is not None:
                self._sweeper.cancel()
            self.application.quit()
            if loop is not None and not loop.is_closed():
                loop.remove_reader(self.application.runtime.engine.notify_fd)
            for connection in list(server.connections):
                connection.connection_lost(None)
            server.close()
        if self._owned:
            self.application.close()

    def _attach(self) -> Server:
        loop = asyncio.get_running_loop()
        if self._server is not None and self._loop is loop:
            return self._server
        if self._loop is not None and not self._loop.is_closed():
            raise RuntimeError("this ASGI application serves another event loop; make one for each")
        app = self.application
        settings = app.config.transport.settings
        server = core_server(app, hosts=self._hosts)
        app.loop = loop
        app.bind(server, loop.call_soon_threadsafe)
        loop.add_reader(app.runtime.engine.notify_fd, server.drain)
        self._endpoint = McpEndpoint(server, max_body=settings.max_body_size, max_outgoing=settings.max_outgoing)
        self._sockets = WebSocketEndpoint(server, Identity(app), max_outgoing=settings.max_outgoing)
        self._server, self._loop = server, loop
        self._sweeper = loop.create_task(_sweep(app, server))
        return server

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                with contextlib.suppress(RuntimeError):
                    self._attach()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.aclose()
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _document(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _sweep(app: Application, server: Server) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        server.sweep()
        app.runner.forget(server.has_session)
