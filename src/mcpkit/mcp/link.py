"""What a running request may do to its client: the one interface between method families and the two eras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec
import orjson

from mcpkit.mcp.revisions import Era

ELICIT = "elicitation/create"
SAMPLE = "sampling/createMessage"
ROOTS = "roots/list"

CAPABILITY = {ELICIT: "elicitation", SAMPLE: "sampling", ROOTS: "roots"}
"""Which client capability each request to the client needs."""

LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")

Asks = Mapping[str, tuple[str, dict[str, Any]]]
"""Requests to the client by key: method and params."""


class Wire(Protocol):
    """Where messages of one request go; `mcpkit.core.serve.Exchange` is one. False: nobody is there any more."""

    def send(self, message: bytes, event_id: str | None = None) -> bool: ...


class Link(Protocol):
    """One running request's way back to its client."""

    era: Era
    revision: str
    transport: str
    session: str | None
    principal: int
    """Number of the authenticated caller; 0 where nobody is told apart."""
    capabilities: dict[str, Any]
    """What the client said it can do."""
    request_id: bytes
    """Raw JSON."""
    progress_token: str | int | None
    log_level: str | None
    """Least important level the client wants; None: no log messages."""
    state: dict[str, Any]
    """JSON-able facts that survive from one round of a call to the next."""

    trace: dict[str, str]
    """W3C trace context that the request carries: traceparent, tracestate, baggage, those that are there."""

    def notify(self, method: str, params: dict[str, Any]) -> None:
        """A notification on this request's stream."""

    async def ask(self, method: str, params: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        """Ask the client: one of ELICIT, SAMPLE, ROOTS. Returns the result object.

        Legacy: a request of the server's, awaited. Modern: the answer that the client's retry brought, else the handler
        is left by `InputRequired` and runs again from its start when the client comes back. `key` names the question in
        the modern era. Raises McpError where the client lacks the capability, or answers with an error.
        """

    async def ask_all(self, asks: Asks) -> dict[str, dict[str, Any]]:
        """Several questions at once, answers by the same keys."""


class InputRequired(BaseException):
    """Leaves a modern handler: these questions need answers first. No Exception, so that handlers do not catch it."""

    def __init__(self, asks: Asks) -> None:
        super().__init__(", ".join(asks))
        self.asks = asks


def trace_of(meta: Any) -> dict[str, str]:
    """The trace context in a request's ``_meta``."""
    if not isinstance(meta, dict):
        return {}
    return {name: meta[name] for name in ("traceparent", "tracestate", "baggage") if isinstance(meta.get(name), str)}


def notification(method: str, params: dict[str, Any]) -> bytes:
    """A notification as JSON text."""
    return dump({"jsonrpc": "2.0", "method": method, "params": params})


def dump(value: Any) -> bytes:
    """JSON text. A client's id may be an integer of any size, which orjson does not write."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return msgspec.json.encode(value)


def wanted(level: str, least: str | None) -> bool:
    """Whether a message of `level` reaches somebody who asked for `least` and above."""
    return least is not None and LEVELS.index(level) >= LEVELS.index(least)


def report_progress(link: Link, done: float, total: float | None = None, message: str | None = None) -> None:
    """notifications/progress, if the client gave a token. Whoever reports sees to it that `done` grows."""
    if link.progress_token is None:
        return
    params: dict[str, Any] = {"progressToken": link.progress_token, "progress": done}
    if total is not None:
        params["total"] = total
    if message is not None and link.revision >= "2025-03-26":
        params["message"] = message
    link.notify("notifications/progress", params)


def log_message(link: Link, level: str, data: Any, logger: str | None = None) -> None:
    """notifications/message, if the client wants that level."""
    if not wanted(level, link.log_level):
        return
    params: dict[str, Any] = {"level": level, "data": data}
    if logger is not None:
        params["logger"] = logger
    link.notify("notifications/message", params)
