"""notifications/cancelled: the client no longer wants an answer."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from mcpkit.mcp.method import Method
from mcpkit.mcp.params import Reader

NAME = "notifications/cancelled"

METHODS = (
    Method(NAME, kind="notification"),
    Method(NAME, kind="notification", sender="server"),
)


class Cancelled(msgspec.Struct, frozen=True):
    """Which request, as the raw JSON of its id, and why."""

    request_id: bytes
    reason: str | None = None


class _CancelledParams(msgspec.Struct, frozen=True):
    request_id: msgspec.Raw = msgspec.field(name="requestId")
    reason: str | UnsetType = UNSET


_params = Reader(_CancelledParams)


def read(params: bytes | None) -> Cancelled:
    """The parameters; raises -32602 when no request is named or the reason is no text."""
    read = _params.read(params)
    return Cancelled(bytes(read.request_id).strip(), read.reason or None)
