"""``transport``: how clients reach the server, and what a connection may cost it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from mcpkit.config.section import Count, Duration, Section, Size, Text

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND


class Tls(Section, frozen=True, kw_only=True):
    """HTTPS: PEM files, read again when they change."""

    cert_file: Path
    """The server's certificate, followed by what its issuer needs to be trusted."""
    key_file: Path
    """Its private key, not encrypted."""
    ca_file: Path | None = None
    """Who signs client certificates."""
    verify_client: Literal["none", "optional", "required"] = "none"


class TransportSettings(Section, frozen=True, kw_only=True):
    """Bounds, allow-lists and encryption of HTTP and WebSocket."""

    NOT_YET: ClassVar[dict[str, str]] = {
        **dict.fromkeys(
            ("buffer_size", "compression", "reflection"), "not supported yet in this version; remove the key"
        ),
        **dict.fromkeys(
            ("max_frame_size", "max_message_size", "message_size_limit"),
            "not a key here: max_body_size bounds every message; use that",
        ),
        "timeout": "not a key here: use request_timeout and idle_timeout, and runtime.limits.execution_time for calls",
    }

    max_body_size: Size = 4 << 20
    """Of one message, in bytes."""
    allowed_hosts: tuple[Text, ...] = ()
    """Host header values accepted beside those of the loopback address."""
    allowed_origins: tuple[Text, ...] = ()
    cors_enabled: bool = False
    """Whether pages of other origins may read answers."""
    cors_origins: tuple[Text, ...] = ()
    """Which ones; none: all that are let in. They are let in as if they stood in `allowed_origins`."""
    tls: Tls | None = None
    metrics: bool = False
    """Whether ``/metrics`` is served, to Prometheus and its like."""
    max_connections: Count | None = None
    request_timeout: Duration = 30 * _SECOND
    """A request that has begun must have arrived by then, in nanoseconds."""
    idle_timeout: Duration = 120 * _SECOND
    """A connection on which nothing happens is closed, in nanoseconds."""
    session_timeout: Duration = 30 * _MINUTE
    """A session that nobody uses ends, in nanoseconds."""
    max_sessions: Count = 10_000
    ping_interval: Duration = 20 * _SECOND
    """WebSocket, in nanoseconds."""
    ping_timeout: Duration = 20 * _SECOND
    """WebSocket: a peer that does not answer a ping is gone, in nanoseconds."""
    max_outgoing: Size = 8 << 20
    """Bytes that may wait for a client that does not read; then it is cut off."""
    access_log: bool = False
    legacy_sse: bool = False
    """The HTTP+SSE pair of revision 2024-11-05, at /sse."""


class Transport(Section, frozen=True, kw_only=True):
    """How clients reach the server."""

    type: Literal["stdio", "http", "websocket", "web_socket"] = "stdio"
    settings: TransportSettings = TransportSettings()

    @property
    def websocket(self) -> bool:
        """Whether WebSockets are served, beside HTTP."""
        return self.type in {"websocket", "web_socket"}


def problems(transport: Transport) -> Iterator[tuple[str, str]]:
    """Key and message of what is wrong across several keys, or with the files they name."""
    settings, here = transport.settings, "transport.settings"
    if settings.cors_origins and not settings.cors_enabled:
        yield f"{here}.cors_origins", "has no effect while cors_enabled is false"
    tls = settings.tls
    if tls is None:
        return
    for key, path in (("cert_file", tls.cert_file), ("key_file", tls.key_file), ("ca_file", tls.ca_file)):
        if path is not None and not path.is_file():
            yield f"{here}.tls.{key}", f"there is no file {path}"
    if tls.verify_client != "none" and tls.ca_file is None:
        yield f"{here}.tls.verify_client", "needs ca_file: who signs client certificates"
