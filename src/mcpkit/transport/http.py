"""Streamable HTTP: the listener, its clock, its end. The requests themselves are the C core's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any, cast

from mcpkit.application import Application
from mcpkit.core.serve import Server
from mcpkit.transport.asgi import OtherRoutes
from mcpkit.transport.core import core_server
from mcpkit.transport.gate import Gate
from mcpkit.transport.identity import Identity
from mcpkit.transport.interface import Listening
from mcpkit.transport.reload import Reloader
from mcpkit.transport.tls import HANDSHAKE_SECONDS, TlsError, TlsFiles

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
POLL_SECONDS = 0.02
GRACE_SECONDS = 5.0
"""How long calls in flight may take to end after the server was told to stop."""


def run_http(
    app: Application,
    host: str,
    port: int,
    *,
    ready: Callable[[Listening], None] | None = None,
    websocket: bool | None = None,
    reloader: Reloader | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Blocks. `ready` is told the address (with the real port where 0 was asked for).

    `websocket`: serve WebSockets too, at /ws and on the MCP path (None: as configured). `reloader` watches meanwhile,
    and is asked on SIGHUP. Raises OSError when the address cannot be bound, TlsError (one of them) when certificates
    cannot be used, PolicyError where the policy does not allow it (a server of WebSockets answers HTTP too, so it needs
    both).
    """
    wanted = app.config.transport.websocket if websocket is None else websocket
    app.require_transport("http", websocket=wanted)
    run_loop(_Http(app, websocket=wanted, reloader=reloader).serve(host, port, ready))


def run_loop(main: Coroutine[Any, Any, None]) -> None:
    """asyncio.run on the fastest event loop there is."""
    try:
        import uvloop
    except ImportError:
        log.info("uvloop is not installed: serving with asyncio's own event loop, which is slower")
        asyncio.run(main)
    else:
        uvloop.run(main)


def _own_hosts(host: str) -> tuple[str, ...]:
    """Names that clients of a listener on `host` will put into Host; a wildcard address has none of its own."""
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 -- compared with, not bound
        return ()
    return (f"[{host}]",) if ":" in host else (host,)


class _Http:
    """One run of a server."""

    def __init__(self, app: Application, *, websocket: bool, reloader: Reloader | None = None) -> None:
        settings = app.config.transport.settings
        self._app = app
        self._reloader = reloader
        self._websocket = websocket
        self._limit = settings.max_connections
        self._tls = TlsFiles(settings.tls) if settings.tls is not None else None
        self._routes = OtherRoutes(app, websocket=websocket)
        self._listeners: list[asyncio.Server] = []

    async def serve(self, host: str, port: int, ready: Callable[[Listening], None] | None) -> None:
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        app, routes = self._app, self._routes
        server = core_server(
            app,
            hosts=_own_hosts(host),
            handoff=routes.take,
            identify=Identity(app).of_connection if self._tls is not None else None,
            websocket=self._websocket,
        )
        routes.server = server
        app.loop = loop
        app.bind(server, loop.call_soon_threadsafe)
        await self._listen(self._factory(server), host, port)
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):
                loop.add_signal_handler(number, stop.set)
        renewal = asyncio.Event()
        if self._tls is not None or self._reloader is not None:
            with contextlib.suppress(NotImplementedError, AttributeError):
                loop.add_signal_handler(signal.SIGHUP, self._hung_up, renewal)
        watcher = loop.create_task(self._reloader.watch()) if self._reloader is not None else None
        loop.add_reader(app.runtime.engine.notify_fd, server.drain)
        sweeper = loop.create_task(self._sweep(server, renewal))
        try:
            at = self._address()
            if self._websocket:
                log.info("WebSockets at %s", at.websocket_url)
            if ready:
                ready(at)
            await stop.wait()
        finally:
            for listener in self._listeners:
                listener.close()
            app.quit()
            await _finish(server)
            sweeper.cancel()
            if watcher is not None:
                watcher.cancel()
            loop.remove_reader(app.runtime.engine.notify_fd)
            await routes.close()
            server.close()

    def _hung_up(self, renewal: asyncio.Event) -> None:
        renewal.set()
        if self._reloader is not None:
            self._reloader.ask()

    def _factory(self, server: Server) -> Callable[[], asyncio.Protocol]:
        # The core's protocol has the methods of an asyncio.Protocol without being one.
        if self._limit is None:
            return cast("Callable[[], asyncio.Protocol]", server.protocol)

        def present() -> int:
            return len(server.connections) + self._routes.count()

        return cast("Callable[[], asyncio.Protocol]", Gate(server.protocol, self._limit, present))

    async def _listen(self, factory: Callable[[], asyncio.Protocol], host: str, port: int) -> None:
        self._protocol = factory
        options = self._secured()
        listener = await asyncio.get_running_loop().create_server(factory, host, port, backlog=1024, **options)
        self._listeners = [listener]

    def _secured(self) -> dict[str, Any]:
        if self._tls is None:
            return {}
        return {"ssl": self._tls.context(), "ssl_handshake_timeout": HANDSHAKE_SECONDS}

    async def _renew(self) -> None:
        """Go on listening with what is in the certificate files now; connections that are open keep what they have."""
        try:
            options = self._secured()
        except TlsError as error:
            log.error("%s; the certificates of before stay in use", error)
            return
        old, self._listeners = self._listeners, []
        for listener in old:
            for sock in listener.sockets:
                same = socket.socket(fileno=os.dup(sock.fileno()))
                same.setblocking(False)
                renewed = await asyncio.get_running_loop().create_server(
                    self._protocol, sock=same, backlog=1024, **options
                )
                self._listeners.append(renewed)
            listener.close()
        log.info("the certificates were read again")

    def _address(self) -> Listening:
        name = self._listeners[0].sockets[0].getsockname()
        return Listening(str(name[0]), int(name[1]), self._tls is not None)

    async def _sweep(self, server: Server, renewal: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(renewal.wait(), SWEEP_SECONDS)
            server.sweep()
            self._app.runner.forget(server.has_session)
            if self._tls is not None and (self._tls.changed() or renewal.is_set()):
                await self._renew()
            renewal.clear()


async def _finish(server: Server) -> None:
    """Let calls end, then cut what is left."""
    for _ in range(int(GRACE_SECONDS / POLL_SECONDS)):
        if not server.stats()["pending"]:
            break
        await asyncio.sleep(POLL_SECONDS)
    while server.connections:
        for connection in list(server.connections):
            connection.abort()
        await asyncio.sleep(0)
