"""One request in, one reply out: everything a server answers that the C core does not answer itself. No I/O.

`handle` answers at once what it can; the rest is a `Reply` with `later` set, and `serve` answers it in its own time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec

from mcpkit.mcp import cancellation, lifecycle, methods
from mcpkit.mcp import tools as tools_family
from mcpkit.mcp.errors import HEADER_MISMATCH, INTERNAL_ERROR, NAMES, McpError
from mcpkit.mcp.features import Features, Registry
from mcpkit.mcp.link import Link, dump
from mcpkit.mcp.params import modern_meta, only_page
from mcpkit.mcp.revisions import Era
from mcpkit.mcp.server import ServerInfo
from mcpkit.mcp.tools import ToolSpec
from mcpkit.schema import HeaderMismatchError, check_headers, header_parameters

log = logging.getLogger("mcpkit.mcp")

_CACHED = frozenset(
    {
        "tools/list",
        "resources/list",
        "resources/templates/list",
        "resources/read",
        "prompts/list",
        "skills/list",
        "skills/get",
    }
)
"""Methods whose modern results say how long they may be kept."""


class Request(msgspec.Struct, frozen=True):
    """One message from a client, its envelope already validated and its era decided."""

    era: Era
    revision: str
    method: str
    id: bytes | None = None
    """Raw JSON of the id; None for a notification."""
    params: bytes | None = None
    """Raw JSON object, `_meta` included; None when absent."""
    transport: Literal["http", "stdio", "websocket"] = "http"
    session: str | None = None


class Reply(msgspec.Struct, frozen=True):
    """What to do about a request: answer with `result` or `error`, or nothing, or let `serve` answer it."""

    result: bytes | None = None
    """JSON object text, to be put in an envelope."""
    error: McpError | None = None
    later: bool = False
    """`Dispatcher.serve` answers it."""
    opens: lifecycle.Opening | None = None
    """``initialize`` succeeded: a session with this client begins."""
    cancel_request_id: bytes | None = None
    """Raw JSON id of the request in flight that the client gives up."""
    http_status: int = 200
    """Status on HTTP: 202 for an accepted notification, the error's own where there is one."""


ACCEPTED = Reply(http_status=202)


class Dispatcher:
    """Answers for one server. Its fixed answers follow the registry: see `refresh`."""

    def __init__(
        self,
        info: ServerInfo,
        tools: Sequence[ToolSpec],
        *,
        registry: Registry | None = None,
        features: Features | None = None,
        capabilities: dict[Era, dict[str, Any]] | None = None,
        lists_tool: Callable[[str], bool] = lambda name: True,
    ) -> None:
        """`tools`: the WebAssembly ones. `features` serves what is in `registry`; `capabilities` come on top.

        `lists_tool`: whether clients may see a tool.
        """
        self._lists_tool = lists_tool
        self.info = info
        self._guests = tuple(tools)
        self._registry = registry
        self._features = features
        self._extra = capabilities or {}
        self.refresh()

    def serve_tools(self, tools: Sequence[ToolSpec]) -> None:
        """List these WebAssembly tools from now on."""
        self._guests = tuple(tools)
        self.refresh()

    def refresh(self) -> None:
        """Make the fixed answers anew, after the registry has changed."""
        registry = self._registry
        every = [*self._guests, *(registry.tools.values() if registry else ())]
        specs = [spec for spec in every if self._lists_tool(spec.name)]
        self._capabilities: dict[Era, dict[str, Any]] = {
            era: lifecycle.capabilities(registry, self._extra.get(era, {}), era) for era in ("legacy", "modern")
        }
        self._offered = {era: lifecycle.offered(members) for era, members in self._capabilities.items()}
        self._mirrored = {spec.name: header_parameters(spec.input_schema) for spec in specs}
        self._static: dict[tuple[Era, str], bytes] = {
            ("modern", "server/discover"): dump(lifecycle.discover(self.info, self._capabilities["modern"])),
            ("modern", "tools/list"): dump(tools_family.list_result(self.info, specs, "modern")),
            ("legacy", "tools/list"): dump(tools_family.list_result(self.info, specs, "legacy")),
            ("legacy", "ping"): dump(lifecycle.ping()),
        }

    def static_answers(self) -> dict[tuple[Era, str], bytes]:
        """Result texts that change only with `refresh`, by era and method: the answers to requests without a cursor."""
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
            failure = internal_error()
            return Reply(error=failure, http_status=failure.status(request.era))

    def _answer(self, request: Request) -> Reply:
        if request.era == "modern":
            modern_meta(request.params)
        methods.require(request.method, request.revision, self._offered[request.era])
        if request.method == "initialize":
            opening = lifecycle.initialize(self.info, self._capabilities["legacy"], request.params)
            return Reply(result=dump(opening.result), opens=opening)
        static = self._static.get((request.era, request.method))
        if static is None:
            return Reply(later=True)
        if request.method == "tools/list":
            only_page(request.params)
        return Reply(result=static)

    def _notice(self, request: Request) -> Reply:
        # Modern HTTP defines no client notification: a client cancels by closing the response stream.
        if request.method == cancellation.NAME and (request.era == "legacy" or request.transport != "http"):
            cancelled = cancellation.read(request.params)
            log.debug("request %r cancelled: %s", cancelled.request_id, cancelled.reason or "no reason given")
            return Reply(cancel_request_id=cancelled.request_id, http_status=202)
        return ACCEPTED

    def check_headers(self, params: dict[str, Any], header: Callable[[str], Sequence[bytes]]) -> None:
        """Raise -32020 unless the headers of a modern ``tools/call`` repeat the arguments that its tool wants repeated.

        `header` gives all values of a header.
        """
        name = params.get("name")
        mirrored = self._mirrored.get(name) if isinstance(name, str) else None
        if mirrored:
            try:
                check_headers(mirrored, params.get("arguments"), header)
            except HeaderMismatchError as error:
                raise McpError(HEADER_MISMATCH, f"{NAMES[HEADER_MISMATCH]}: {error}") from None

    async def serve(self, method: str, params: dict[str, Any], link: Link) -> bytes:
        """The result text of a request that `handle` left for later.

        Raises McpError, and lets `InputRequired` and cancellation pass.
        """
        if self._features is None or not self._features.serves(method):
            raise methods.not_found(method)
        result = await self._features.serve(method, params, link)
        if link.era == "modern" and "resultType" not in result:
            result = self.info.cached(result) if method in _CACHED else self.info.complete(result)
        return dump(result)


def internal_error() -> McpError:
    """-32603: the log has the details, the client has not."""
    return McpError(INTERNAL_ERROR, f"{NAMES[INTERNAL_ERROR]}; the server's log has the details")
