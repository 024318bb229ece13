"""Streamable HTTP: the listener, its clock, its end. The requests themselves are the C core's."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, cast

from mcpkit.application import Application
from mcpkit.core.serve import Server
from mcpkit.transport.asgi import OtherRoutes
from mcpkit.transport.core import core_server

log = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
POLL_SECONDS = 0.02
GRACE_SECONDS = 5.0
"""How long calls in flight may take to end after the server was told to stop."""


class Listening(NamedTuple):
    """Where a server listens."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Of the MCP endpoint."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/mcp"


def run_http(
    app: Application,
    host: str,
    port: int,
    *,
    ready: Callable[[Listening], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. Blocks. `ready` is told the address (with the real port where 0 was asked for).

    Raises OSError when the address cannot be bound.
    """
    _run(_serve(app, host, port, ready))


def _run(main: Coroutine[Any, Any, None]) -> None:
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


async def _serve(app: Application, host: str, port: int, ready: Callable[[Listening], None] | None) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    routes = OtherRoutes(app)
    app.loop = loop
    server = core_server(app, hosts=_own_hosts(host), handoff=routes.take, submit=loop.call_soon_threadsafe)
    routes.server = server
    # The core's protocol has the methods of an asyncio.Protocol without being one.
    factory = cast("Callable[[], asyncio.Protocol]", server.protocol)
    listener = await loop.create_server(factory, host, port, backlog=1024)
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, stop.set)
    loop.add_reader(app.runtime.engine.notify_fd, server.drain)
    sweeper = loop.create_task(_sweep(server, app))
    try:
        if ready:
            ready(_address(listener.sockets[0]))
        await stop.wait()
    finally:
        listener.close()
        app.quit()
        await _finish(server)
        sweeper.cancel()
        loop.remove_reader(app.runtime.engine.notify_fd)
        await routes.close()
        server.close()


def _address(sock: socket.socket) -> Listening:
    name = sock.getsockname()
    return Listening(str(name[0]), int(name[1]))


async def _sweep(server: Server, app: Application) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        server.sweep()
        app.runner.forget(server.has_session)


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
