"""initialize, ping and server/discover: how a client and this server get to know each other."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from mcpkit.mcp.method import LAST_LEGACY, MODERN, Method
from mcpkit.mcp.params import Reader
from mcpkit.mcp.revisions import MODERN as MODERN_VERSIONS
from mcpkit.mcp.revisions import negotiate
from mcpkit.mcp.server import ServerInfo

METHODS = (
    Method("initialize", until=LAST_LEGACY),
    Method("ping", until=LAST_LEGACY),
    Method("server/discover", since=MODERN),
    Method("notifications/initialized", until=LAST_LEGACY, kind="notification"),
    Method("notifications/progress", until=LAST_LEGACY, kind="notification"),
    Method("ping", until=LAST_LEGACY, sender="server"),
    Method("notifications/progress", kind="notification", sender="server"),
)


class InitializeParams(msgspec.Struct, frozen=True):
    """What a legacy client says first. Only the version is needed to answer; the rest may be missing, not malformed."""

    protocol_version: str = msgspec.field(name="protocolVersion")
    capabilities: dict[str, Any] | UnsetType = UNSET
    client_info: dict[str, Any] | UnsetType = msgspec.field(name="clientInfo", default=UNSET)


_initialize_params = Reader(InitializeParams)


def initialize(info: ServerInfo, capabilities: dict[str, Any], params: bytes | None) -> tuple[str, dict[str, Any]]:
    """The negotiated revision and the result of ``initialize``."""
    revision = negotiate(_initialize_params.read(params).protocol_version)
    result: dict[str, Any] = {
        "protocolVersion": revision,
        "capabilities": capabilities,
        "serverInfo": info.implementation(revision),
    }
    if info.instructions:
        result["instructions"] = info.instructions
    return revision, result


def discover(info: ServerInfo, capabilities: dict[str, Any]) -> dict[str, Any]:
    """The result of ``server/discover``. It lists modern revisions: ``initialize`` finds the others."""
    result: dict[str, Any] = {"supportedVersions": list(MODERN_VERSIONS), "capabilities": capabilities}
    if info.instructions:
        result["instructions"] = info.instructions
    return info.cached(result)


def ping() -> dict[str, Any]:
    """The result of ``ping``: an empty object."""
    return {}
