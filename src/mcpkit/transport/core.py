"""From an application to the C core's server: one place where its tables, limits and allow-lists are set."""

from __future__ import annotations

from asyncio import Transport
from collections.abc import Callable, Iterable

from mcpkit.application import Application
from mcpkit.core.serve import Server
from mcpkit.transport.access import on_core
from mcpkit.transport.interface import MCP_PATH

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
NANOSECONDS = 1e9


def core_server(
    app: Application,
    *,
    hosts: Iterable[str] = (),
    handoff: Callable[[Transport, bytes], None] | None = None,
    identify: Callable[[Transport], int] | None = None,
    websocket: bool = False,
) -> Server:
    """A `Server` of the core for `app`, which is still to be bound to it.

    `hosts` are accepted in Host and Origin beside those configured; `identify` is asked whose a new connection is.
    """
    settings = app.config.transport.settings
    cors = (settings.cors_origins or ("*",)) if settings.cors_enabled else ()
    return Server(
        app.runtime.engine,
        ask=app.ask,
        server_info=app.identity,
        handoff=handoff,
        path=MCP_PATH,
        hosts=[*dict.fromkeys([*LOOPBACK, *hosts, *settings.allowed_hosts])],
        origins=[*settings.allowed_origins, *settings.cors_origins],
        cors=cors,
        websocket=websocket,
        authorize=app.security is not None,
        access=on_core if settings.access_log else None,
        identify=identify,
        max_body=settings.max_body_size,
        max_line=settings.max_body_size,
        max_outgoing=settings.max_outgoing,
        max_sessions=settings.max_sessions,
        session_idle=settings.session_timeout / NANOSECONDS,
        read_timeout=settings.request_timeout / NANOSECONDS,
        idle_timeout=settings.idle_timeout / NANOSECONDS,
        live=True,
    )
