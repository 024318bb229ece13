"""The resources family: which of its methods exist when; `mcpkit.mcp.features` serves them."""

from __future__ import annotations

from mcpkit.mcp.method import LAST_LEGACY, Method

METHODS = (
    Method("resources/list", capability="resources"),
    Method("resources/templates/list", capability="resources"),
    Method("resources/read", capability="resources"),
    Method("resources/subscribe", until=LAST_LEGACY, capability="resources.subscribe"),
    Method("resources/unsubscribe", until=LAST_LEGACY, capability="resources.subscribe"),
    Method("notifications/resources/list_changed", kind="notification", sender="server"),
    Method("notifications/resources/updated", kind="notification", sender="server"),
)
