from asyncio import Transport
from collections.abc import Callable, Iterable
from typing import Literal, final

from mcpkit.core.wasm import Engine, Tool

REVISIONS: tuple[str, ...]

Ask = Callable[
    [Literal["legacy", "modern"], str, str | None, bytes | None, bytes | None, str, str | None, bool],
    tuple[int, int, bytes | None, str | None, bytes | None],
]
"""(era, revision, method, id, params, transport, session, end_session) -> (kind, status, payload, revision, cancel).

kind: 0 result, 1 error object, 2 accepted; status: HTTP, 0 for the usual one; revision: of a session to open;
cancel: raw id of a request to cancel. method is None for a client's response and for the end of a session.
"""

@final
class Server:
    def __new__(
        cls,
        engine: Engine,
        *,
        ask: Ask,
        server_info: bytes,
        handoff: Callable[[Transport, bytes], None] | None = None,
        path: str = "/mcp",
        hosts: Iterable[str] = (),
        origins: Iterable[str] = (),
        max_body: int = 0,
        max_head: int = 0,
        max_line: int = 0,
        max_sessions: int = 0,
        session_idle: float = 0.0,
        read_timeout: float = 0.0,
        idle_timeout: float = 0.0,
    ) -> Server: ...
    connections: set[HttpProtocol]
    def close(self) -> None: ...
    def set_tools(self, tools: Iterable[tuple[str, Tool]]) -> None: ...
    def set_static(self, era: str, method: str, result: bytes) -> None: ...
    def protocol(self) -> HttpProtocol: ...
    def drain(self) -> None: ...
    def sweep(self) -> None: ...
    def stats(self) -> dict[str, int]: ...
    def run_stdio(self, in_fd: int, out_fd: int) -> None: ...

@final
class HttpProtocol:
    def __new__(cls, server: Server) -> HttpProtocol: ...
    def connection_made(self, transport: Transport) -> None: ...
    def abort(self) -> None: ...
    def connection_lost(self, exc: Exception | None) -> None: ...
    def data_received(self, data: bytes) -> None: ...
    def eof_received(self) -> bool: ...
    def pause_writing(self) -> None: ...
    def resume_writing(self) -> None: ...
