"""One interface for every way in which clients reach a server."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

from mcpkit.application import Application
from mcpkit.config import Config

MCP_PATH = "/mcp"
WEBSOCKET_PATH = "/ws"


class Listening(NamedTuple):
    """Where a server listens."""

    host: str
    port: int
    secure: bool = False
    """Whether by TLS."""

    @property
    def url(self) -> str:
        """Of the MCP endpoint."""
        return self._url("http", MCP_PATH)

    @property
    def websocket_url(self) -> str:
        """Of the WebSocket endpoint, where there is one."""
        return self._url("ws", WEBSOCKET_PATH)

    def _url(self, scheme: str, path: str) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{scheme}{'s' if self.secure else ''}://{host}:{self.port}{path}"


class Transport(ABC):
    """Carries messages between clients and one application, until it is told to stop."""

    @abstractmethod
    def run(self, app: Application, ready: Callable[[Listening], None] | None = None) -> None:
        """Serve `app`; blocks. `ready` is told the address once there is one. Raises OSError when it cannot begin."""


class Stdio(Transport):
    """One client: the process at the other end of stdin and stdout."""

    def run(self, app: Application, ready: Callable[[Listening], None] | None = None) -> None:
        from mcpkit.transport.stdio import run_stdio

        run_stdio(app)


class Http(Transport):
    """Streamable HTTP, or HTTPS, at `host` and `port` (0: any free one)."""

    websocket = False

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port

    def run(self, app: Application, ready: Callable[[Listening], None] | None = None) -> None:
        from mcpkit.transport.http import run_http

        run_http(app, self.host, self.port, ready=ready, websocket=self.websocket)


class WebSocket(Http):
    """WebSockets, and HTTP beside them on the same port."""

    websocket = True


def transport_for(config: Config) -> Transport:
    """The one that a configuration names."""
    if config.transport.type == "stdio":
        return Stdio()
    kind = WebSocket if config.transport.websocket else Http
    return kind(config.server.bind, config.server.port)
