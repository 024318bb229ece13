"""subscriptions/listen: the modern stream of change notifications.

Nothing this server offers changes while it runs, so it has nothing to subscribe to and does not serve the method.
"""

from __future__ import annotations

from mcpkit.mcp.method import MODERN, Method

METHODS = (
    Method("subscriptions/listen", since=MODERN, capability="subscriptions"),
    Method("notifications/subscriptions/acknowledged", since=MODERN, kind="notification", sender="server"),
)
