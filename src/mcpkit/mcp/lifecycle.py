"""initialize, ping and server/discover: how a client and this server get to know each other."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from mcpkit.mcp import skills
from mcpkit.mcp.features import Registry
from mcpkit.mcp.method import LAST_LEGACY, MODERN, Method
from mcpkit.mcp.params import Reader
from mcpkit.mcp.revisions import MODERN as MODERN_VERSIONS
from mcpkit.mcp.revisions import Era, negotiate
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


class Opening(msgspec.Struct, frozen=True):
    """A legacy handshake that succeeded."""

    revision: str
    client_capabilities: dict[str, Any]
    client_info: dict[str, Any]
    result: dict[str, Any]


def initialize(info: ServerInfo, capabilities: dict[str, Any], params: bytes | None) -> Opening:
    """Negotiate the revision and make the result of ``initialize``."""
    asked = _initialize_params.read(params)
    revision = negotiate(asked.protocol_version)
    result: dict[str, Any] = {
        "protocolVersion": revision,
        "capabilities": capabilities,
        "serverInfo": info.implementation(revision),
    }
    if info.instructions:
        result["instructions"] = info.instructions
    return Opening(revision, asked.capabilities or {}, asked.client_info or {}, result)


def capabilities(registry: Registry | None, extra: dict[str, Any], era: Era) -> dict[str, Any]:
    """The ServerCapabilities object: what is there, and nothing else. Only what is written in Python can change."""
    if registry is None:
        return {"tools": {}, **extra}
    members: dict[str, Any] = {"tools": {"listChanged": True}, "logging": {}}
    if registry.resources or registry.templates:
        members["resources"] = {"subscribe": True, "listChanged": True}
    if registry.prompts:
        members["prompts"] = {"listChanged": True}
    if registry.prompts or registry.templates:
        members["completions"] = {}
    if registry.skills:
        extensions = {skills.EXTENSION: skills.SETTINGS, **extra.get("extensions", {})}
        extra = {**extra, "extensions": extensions}
    return {**members, **extra}


def offered(capabilities: dict[str, Any]) -> frozenset[str]:
    """Names that `Method.capability` knows: every member, its true members, and extensions."""
    names = set(capabilities)
    for name, members in capabilities.items():
        if name == "extensions":
            names |= {f"ext:{extension}" for extension in members}
        elif isinstance(members, dict):
            names |= {f"{name}.{member}" for member, value in members.items() if value is not False}
            if members.get("listChanged") or members.get("subscribe"):
                names.add("changes")
    return frozenset(names)


def discover(info: ServerInfo, capabilities: dict[str, Any]) -> dict[str, Any]:
    """The result of ``server/discover``. It lists modern revisions: ``initialize`` finds the others."""
    result: dict[str, Any] = {"supportedVersions": list(MODERN_VERSIONS), "capabilities": capabilities}
    if info.instructions:
        result["instructions"] = info.instructions
    return info.cached(result)


def ping() -> dict[str, Any]:
    """The result of ``ping``: an empty object."""
    return {}
