"""One server, whatever its transport: configuration, engine, tools and dispatcher joined."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec
import orjson

import mcpkit
from mcpkit.config import DEFAULT_MEMORY, Config, Limits, effective_limits
from mcpkit.core.serve import ACCEPTED, ERROR, RESULT, Exchange
from mcpkit.core.wasm import Tool
from mcpkit.guests import Catalogue
from mcpkit.mcp import Dispatcher, McpError, Request, ServerInfo
from mcpkit.mcp.errors import INVALID_REQUEST
from mcpkit.wasm import Runtime

Answer = tuple[int, int, bytes | None, tuple[str, bytes | None] | None, bytes | None, bytes | None]
"""For the core: kind, HTTP status, payload, revision and id of a session to open, raw id to cancel, headers."""


class Application:
    """Everything a transport needs. A context manager; `close` ends the engine."""

    def __init__(
        self,
        config: Config,
        *,
        limits: Limits | None = None,
        cache: bool | None = None,
        cache_dir: Path | None = None,
    ) -> None:
        """Open the configuration's modules and bind their tools to `limits` (by default the configuration's).

        Raises WasmRuntimeError, WasmError or GuestError where a module cannot be served.
        """
        self.config = config
        self.limits = limits or effective_limits(config)
        wasm = config.runtime.wasm
        self.runtime = Runtime(
            cache=wasm.cache if cache is None else cache,
            cache_dir=cache_dir or wasm.cache_dir,
            # The pool's slots are larger than a small limit, so that crossing it is a refusal of the limit's.
            max_memory=max(self.limits.max_memory, DEFAULT_MEMORY),
        )
        try:
            self.catalogue = Catalogue.open(self.runtime, config.modules(), config.mcp.tools)
            self.tools: dict[str, Tool] = {spec.name: spec.bind(self.limits) for spec in self.catalogue}
        except BaseException:
            self.runtime.close()
            raise
        server = config.server
        info = ServerInfo(
            name=server.name,
            version=server.version or mcpkit.__version__,
            title=server.title,
            description=server.description,
            instructions=server.instructions,
        )
        self.dispatcher = Dispatcher(info, self.catalogue)
        self.identity = orjson.dumps({"name": info.name, "version": info.version})
        """JSON of what signs the results of the modern era."""

    def ask(self, exchange: Exchange) -> Answer | None:
        """Answer what the core does not answer itself. Never raises."""
        match exchange.kind:
            case "end":
                return ACCEPTED, 200, None, None, None, None
            case "stream":
                return ACCEPTED, 405, None, None, None, b"allow: POST, DELETE"
            case "batch":
                error = McpError(INVALID_REQUEST, "batches are not accepted: send one message at a time")
                return ERROR, 400, _error_object(error), None, None, None
            case "request" | "notification" if exchange.method is not None:
                return self._dispatch(exchange, exchange.method)
        return ACCEPTED, 202, None, None, None, None

    def _dispatch(self, exchange: Exchange, method: str) -> Answer:
        request = Request(
            era=exchange.era,
            revision=exchange.revision,
            method=method,
            id=exchange.id,
            params=exchange.params,
            transport="stdio" if exchange.transport == "stdio" else "http",
            session=exchange.session,
        )
        reply = self.dispatcher.handle(request)
        opened = (reply.revision, None) if reply.new_session and reply.revision else None
        if reply.error is not None:
            return ERROR, reply.http_status, _error_object(reply.error), None, None, None
        if reply.result is not None:
            return RESULT, reply.http_status, reply.result, opened, None, None
        return ACCEPTED, reply.http_status, None, None, reply.cancel_request_id, None

    def close(self) -> None:
        """End the engine and what still runs in it."""
        self.runtime.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _error_object(error: McpError) -> bytes:
    body: dict[str, object] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return msgspec.json.encode(body)
