"""What a method is: its name, the revisions it lives in, and the server capability it depends on."""

from __future__ import annotations

from typing import Literal

import msgspec

from mcpkit.mcp.revisions import R2024_11_05, R2025_11_25, R2026_07_28

FIRST = R2024_11_05.name
LAST_LEGACY = R2025_11_25.name
MODERN = R2026_07_28.name

Kind = Literal["request", "notification"]
Sender = Literal["client", "server"]


class Method(msgspec.Struct, frozen=True):
    """One row of a family's table. A method that changed its capability between revisions has two rows."""

    name: str
    since: str = FIRST
    until: str = MODERN
    """First and last revision that define it, both included."""
    capability: str | None = None
    """The server capability the method depends on: ``tools``, ``resources.subscribe``, ``ext:NAME``."""
    kind: Kind = "request"
    sender: Sender = "client"

    def lives_in(self, revision: str) -> bool:
        """True when `revision` defines the method."""
        return self.since <= revision <= self.until
