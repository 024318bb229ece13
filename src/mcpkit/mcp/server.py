"""Who answers: the server's identity and what it offers, in both eras' shapes."""

from __future__ import annotations

from typing import Any

import msgspec

from mcpkit.mcp.params import SERVER_INFO
from mcpkit.mcp.revisions import R2025_06_18, R2025_11_25


class ServerInfo(msgspec.Struct, frozen=True):
    """Identity and standing facts of one server."""

    name: str
    version: str
    title: str | None = None
    description: str | None = None
    instructions: str | None = None
    """Advice to the model on how to use the server as a whole."""
    ttl_ms: int = 60_000
    """How long modern clients may keep discovery and list results, in milliseconds."""
    cache_scope: str = "public"
    """``public`` while every caller sees the same lists."""

    def implementation(self, revision: str) -> dict[str, Any]:
        """The `Implementation` object, with the members that `revision` defines."""
        out: dict[str, Any] = {"name": self.name}
        if self.title and revision >= R2025_06_18.name:
            out["title"] = self.title
        out["version"] = self.version
        if self.description and revision >= R2025_11_25.name:
            out["description"] = self.description
        return out

    def complete(self, members: dict[str, Any]) -> dict[str, Any]:
        """A modern result: `members` marked complete and signed with the server's name and version."""
        signed = {SERVER_INFO: {"name": self.name, "version": self.version}}
        return {"resultType": "complete", **members, "_meta": {**members.get("_meta", {}), **signed}}

    def cached(self, members: dict[str, Any]) -> dict[str, Any]:
        """A modern result that clients may keep for a while."""
        return self.complete({**members, "ttlMs": self.ttl_ms, "cacheScope": self.cache_scope})
