"""One request in, one reply out: everything a server answers that the C core does not answer itself. No I/O."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
import orjson

from mcpkit.mcp import cancellation, lifecycle, methods
from mcpkit.mcp import tools as tools_family
from mcpkit.mcp.errors import INTERNAL_ERROR, NAMES, McpError
from mcpkit.mcp.params import modern_meta, only_page
from mcpkit.mcp.revisions import Era
from mcpkit.mcp.server import ServerInfo
from mcpkit.mcp.tools import ToolCall, ToolSpec

log = logging.getLogger("mcpkit.mcp")


class Request(msgspec.Struct, frozen=True):
    """One message from a client, its envelope already validated and its era decided."""

    era: Era
    revision: str
    method: str
    id: bytes | None = None
    """Raw JSON of the id; None for a notification."""
    params: bytes | None = None
    """Raw JSON object, `_meta` included; None when absent."""
    transport: Literal["http", "stdio"] = "http"
    session: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """What to do about a request: answer with `result` or `error`, run `call`, or nothing (all three None)."""

    result: bytes | None = None
    """JSON object text, to be put in an envelope."""
    error: McpError | None = None
    call: ToolCall | None = None
    """The request is a valid ``tools/call`` of a known tool: whoever runs tools answers it."""
    new_session: bool = False
    """``initialize`` succeeded: a transport with sessions opens one."""
    revision: str | None = None
    """With `new_session`: the revision that was negotiated."""
    cancel_request_id: bytes | None = None
    """Raw JSON id of the request in flight that the client gives up."""
    http_status: int = 200
    """Status on HTTP: 202 for an accepted notification, the error's own where there is one."""


ACCEPTED = Reply(http_status=202)


class Dispatcher:
    """Answers for one server with a fixed set of tools. Thread-safe: nothing changes after construction."""

    def __init__(self, info: ServerInfo, tools: Sequence[ToolSpec]) -> None:
        self.info = info
        self._names = frozenset(tool.name for tool in tools)
        self._capabilities = dict(tools_family.CAPABILITY)
        self._offered = frozenset(self._capabilities)
        self._static = self._serialise(tools)

    def _serialise(self, specs: Sequence[ToolSpec]) -> dict[tuple[Era, str], bytes]:
        return {
            ("modern", "server/discover"): _dump(lifecycle.discover(self.info, self._capabilities)),
            ("modern", "tools/list"): _dump(tools_family.list_result(self.info, specs, "modern")),
            ("legacy", "tools/list"): _dump(tools_family.list_result(self.info, specs, "legacy")),
            ("legacy", "ping"): _dump(lifecycle.ping()),
        }

    def static_answers(self) -> dict[tuple[Era, str], bytes]:
        """Result texts that never change, by era and method: the answers to requests without a cursor."""
        return dict(self._static)

    def handle(self, request: Request) -> Reply:
        """Answer one message. Never raises: what goes wrong becomes an error reply."""
        try:
            return self._notice(request) if request.id is None else self._answer(request)
        except McpError as error:
            if request.id is None:
                log.debug("notification %s passed over: %s", request.method, error.message)
                return ACCEPTED
            return Reply(error=error, http_status=error.status(request.era))
        except Exception:
            log.exception("no answer to %s", request.method)
            failure = McpError(INTERNAL_ERROR, f"{NAMES[INTERNAL_ERROR]}; the server's log has the details")
            return Reply(error=failure, http_status=failure.status(request.era))

    def _answer(self, request: Request) -> Reply:
        if request.era == "modern":
            modern_meta(request.params)
        methods.require(request.method, request.revision, self._offered)
        match request.method:
            case "initialize":
                revision, result = lifecycle.initialize(self.info, self._capabilities, request.params)
                return Reply(result=_dump(result), new_session=True, revision=revision)
            case "tools/call":
                return Reply(call=tools_family.read_call(request.params, self._names))
            case "tools/list":
                only_page(request.params)
        return Reply(result=self._static[request.era, request.method])

    def _notice(self, request: Request) -> Reply:
        # Modern HTTP defines no client notification: a client cancels by closing the response stream.
        if request.method == cancellation.NAME and (request.era == "legacy" or request.transport == "stdio"):
            cancelled = cancellation.read(request.params)
            log.debug("request %r cancelled: %s", cancelled.request_id, cancelled.reason or "no reason given")
            return Reply(cancel_request_id=cancelled.request_id, http_status=202)
        return ACCEPTED


def _dump(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value)
