"""Tasks: an experiment in the core of 2025-11-25, an extension since 2026-07-28. Offered in neither form here."""

from __future__ import annotations

from mcpkit.mcp.method import LAST_LEGACY, MODERN, Method

EXTENSION = "io.modelcontextprotocol/tasks"

METHODS = (
    Method("tasks/get", since=LAST_LEGACY, until=LAST_LEGACY, capability="tasks"),
    Method("tasks/result", since=LAST_LEGACY, until=LAST_LEGACY, capability="tasks"),
    Method("tasks/list", since=LAST_LEGACY, until=LAST_LEGACY, capability="tasks.list"),
    Method("tasks/cancel", since=LAST_LEGACY, until=LAST_LEGACY, capability="tasks.cancel"),
    Method("tasks/get", since=MODERN, capability=f"ext:{EXTENSION}"),
    Method("tasks/update", since=MODERN, capability=f"ext:{EXTENSION}"),
    Method("tasks/cancel", since=MODERN, capability=f"ext:{EXTENSION}"),
    Method("notifications/tasks/status", since=LAST_LEGACY, until=LAST_LEGACY, kind="notification", sender="server"),
    Method("notifications/tasks", since=MODERN, kind="notification", sender="server"),
)
