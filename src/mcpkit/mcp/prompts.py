"""The prompts family: which of its methods exist when. This server offers no prompts, so none is served."""

from __future__ import annotations

from mcpkit.mcp.method import Method

METHODS = (
    Method("prompts/list", capability="prompts"),
    Method("prompts/get", capability="prompts"),
    Method("notifications/prompts/list_changed", kind="notification", sender="server"),
)
