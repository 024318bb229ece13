"""What a server may ask of a legacy client. Modern requests of this kind travel inside a result instead."""

from __future__ import annotations

from mcpkit.mcp.method import LAST_LEGACY, Method

METHODS = (
    Method("roots/list", until=LAST_LEGACY, sender="server"),
    Method("sampling/createMessage", until=LAST_LEGACY, sender="server"),
    Method("elicitation/create", since="2025-06-18", until=LAST_LEGACY, sender="server"),
    Method(
        "notifications/elicitation/complete",
        since=LAST_LEGACY,
        until=LAST_LEGACY,
        kind="notification",
        sender="server",
    ),
    Method("notifications/roots/list_changed", until=LAST_LEGACY, kind="notification"),
)
