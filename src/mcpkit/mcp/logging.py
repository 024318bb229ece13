"""Log messages to the client: ``logging/setLevel`` for legacy clients, a level per request for modern ones."""

from __future__ import annotations

from mcpkit.mcp.method import LAST_LEGACY, Method

METHODS = (
    Method("logging/setLevel", until=LAST_LEGACY, capability="logging"),
    Method("notifications/message", kind="notification", sender="server"),
)
