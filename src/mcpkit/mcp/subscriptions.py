"""subscriptions/listen: the modern stream of change notifications; `mcpkit.mcp.hub` feeds it."""

from __future__ import annotations

from mcpkit.mcp.method import MODERN, Method

METHODS = (
    Method("subscriptions/listen", since=MODERN, capability="changes"),
    Method("notifications/subscriptions/acknowledged", since=MODERN, kind="notification", sender="server"),
)
