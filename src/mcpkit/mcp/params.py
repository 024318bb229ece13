"""Typed reading of a request's ``params`` and of the modern ``params._meta``."""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from mcpkit.mcp.errors import invalid_params

LogLevel = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]

PREFIX = "io.modelcontextprotocol/"
PROTOCOL_VERSION = PREFIX + "protocolVersion"
CLIENT_CAPABILITIES = PREFIX + "clientCapabilities"
CLIENT_INFO = PREFIX + "clientInfo"
LOG_LEVEL = PREFIX + "logLevel"
SERVER_INFO = PREFIX + "serverInfo"


class RequestMeta(msgspec.Struct, frozen=True):
    """The part of ``params._meta`` that every modern request carries."""

    protocol_version: str = msgspec.field(name=PROTOCOL_VERSION)
    client_capabilities: dict[str, Any] = msgspec.field(name=CLIENT_CAPABILITIES)
    client_info: dict[str, Any] | UnsetType = msgspec.field(name=CLIENT_INFO, default=UNSET)
    log_level: LogLevel | UnsetType = msgspec.field(name=LOG_LEVEL, default=UNSET)
    progress_token: str | int | UnsetType = msgspec.field(name="progressToken", default=UNSET)


class _Enveloped(msgspec.Struct, frozen=True):
    meta: RequestMeta = msgspec.field(name="_meta")


_enveloped = msgspec.json.Decoder(_Enveloped)


def modern_meta(params: bytes | None) -> RequestMeta:
    """The modern envelope of a request; raises -32602 with HTTP 400 when it is missing or malformed."""
    try:
        return _enveloped.decode(params if params is not None else b"{}").meta
    except msgspec.MsgspecError as error:
        raise invalid_params(str(error), http_status=400) from None


P = TypeVar("P", bound=msgspec.Struct)


class Reader(Generic[P]):
    """Reads `params` as one struct type; unknown members are passed over, as the protocol asks."""

    def __init__(self, struct: type[P]) -> None:
        self._decoder: msgspec.json.Decoder[P] = msgspec.json.Decoder(struct)

    def read(self, params: bytes | None) -> P:
        """The struct; raises -32602 naming the member that does not fit."""
        try:
            return self._decoder.decode(params if params is not None else b"{}")
        except msgspec.MsgspecError as error:
            raise invalid_params(str(error)) from None


class ListParams(msgspec.Struct, frozen=True):
    """Parameters of every ``…/list`` method."""

    cursor: str | UnsetType = UNSET


_list_params = Reader(ListParams)


def only_page(params: bytes | None) -> None:
    """Check the cursor of a list with one page: absent or empty. This server never gave out any other."""
    cursor = _list_params.read(params).cursor  # unset is falsy
    if cursor:
        raise invalid_params(f"unknown cursor {cursor[:64]!r}; start again without one")
