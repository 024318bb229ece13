"""The protocol's revisions, in order, and which of two eras each belongs to.

*Legacy* revisions open with ``initialize`` and may keep a session; the *modern* one carries its version and the
client's capabilities in every request. One server speaks both at the same time, on the same endpoint.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Era = Literal["legacy", "modern"]


class Revision(msgspec.Struct, frozen=True):
    """One published revision. Its name is its date, so names compare in time order."""

    name: str
    era: Era

    def at_least(self, name: str) -> bool:
        """True when this revision is `name` or newer."""
        return self.name >= name


R2024_11_05 = Revision("2024-11-05", "legacy")
R2025_03_26 = Revision("2025-03-26", "legacy")
R2025_06_18 = Revision("2025-06-18", "legacy")
R2025_11_25 = Revision("2025-11-25", "legacy")
R2026_07_28 = Revision("2026-07-28", "modern")

REVISIONS: tuple[Revision, ...] = (R2024_11_05, R2025_03_26, R2025_06_18, R2025_11_25, R2026_07_28)
"""Every revision this server speaks, oldest first."""

BY_NAME: dict[str, Revision] = {revision.name: revision for revision in REVISIONS}
LEGACY: tuple[str, ...] = tuple(revision.name for revision in REVISIONS if revision.era == "legacy")
MODERN: tuple[str, ...] = tuple(revision.name for revision in REVISIONS if revision.era == "modern")

LATEST_LEGACY = R2025_11_25.name
"""What `initialize` answers with when the client asks for a version it cannot negotiate."""

ASSUMED_WITHOUT_HEADER = R2025_03_26.name
"""The revision of an HTTP request without an ``MCP-Protocol-Version`` header and without a session that tells."""


def is_legacy(name: str) -> bool:
    """True for a known revision that opens with a handshake."""
    return name in LEGACY


def is_modern(name: str) -> bool:
    """True for a known revision without handshake and sessions."""
    return name in MODERN


def negotiate(requested: str) -> str:
    """The version `initialize` answers with: the requested one if it is a legacy revision, else the newest."""
    return requested if requested in LEGACY else LATEST_LEGACY
