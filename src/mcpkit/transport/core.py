"""From an application to the C core's server: one place where its tables and limits are set."""

from __future__ import annotations

from asyncio import Transport
from collections.abc import Callable, Iterable

from mcpkit.application import Application
from mcpkit.core.serve import Server

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


def core_server(
    app: Application,
    *,
    hosts: Iterable[str] = (),
    handoff: Callable[[Transport, bytes], None] | None = None,
    submit: Callable[[Callable[[], object]], object] | None = None,
) -> Server:
    """A `Server` of the core that serves `app`. `hosts` are accepted in Host and Origin beside those configured.

    `submit` has the thread that serves call something; without it, the thread that runs the stdio loop.
    """
    settings = app.config.transport.settings
    server = Server(
        app.runtime.engine,
        ask=app.ask,
        server_info=app.identity,
        handoff=handoff,
        hosts=[*dict.fromkeys([*LOOPBACK, *hosts, *settings.allowed_hosts])],
        origins=settings.allowed_origins,
        max_body=settings.max_body_size,
        max_line=settings.max_body_size,
    )
    app.bind(server, submit or server.post)
    return server
