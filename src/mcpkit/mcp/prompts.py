"""The prompts family: which of its methods exist when; `mcpkit.mcp.features` serves them."""

from __future__ import annotations

from mcpkit.mcp.method import Method

METHODS = (
    Method("prompts/list", capability="prompts"),
    Method("prompts/get", capability="prompts"),
    Method("notifications/prompts/list_changed", kind="notification", sender="server"),
)
