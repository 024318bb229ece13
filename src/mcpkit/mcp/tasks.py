"""Tasks, what both forms agree on: an experiment in the core of 2025-11-25, an extension since 2026-07-28.

Who wants a task, and who may have one. `mcpkit.mcp.task_service` runs them.
"""

from __future__ import annotations

from typing import Any, Literal

from mcpkit.mcp.errors import METHOD_NOT_FOUND, NAMES, McpError, invalid_params, missing_capability
from mcpkit.mcp.method import LAST_LEGACY, MODERN, Method
from mcpkit.mcp.revisions import Era

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

OFFERED = frozenset({"tasks", "tasks.list", "tasks.cancel", f"ext:{EXTENSION}"})
"""The capabilities that the methods above depend on."""

Support = Literal["forbidden", "optional", "required"]
"""What a tool says of itself: never, possibly or only as a task."""


def capability(era: Era) -> dict[str, Any]:
    """What a server that has tasks adds to its capabilities."""
    if era == "legacy":
        return {"tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}}
    return {"extensions": {EXTENSION: {}}}


def execution(support: Support) -> dict[str, Any] | None:
    """``execution`` of a tool in the ``tools/list`` of 2025-11-25; None for the default."""
    return None if support == "forbidden" else {"taskSupport": support}


def declared(client_capabilities: dict[str, Any]) -> bool:
    """True when a modern request says that its client knows the extension."""
    extensions = client_capabilities.get("extensions")
    return isinstance(extensions, dict) and EXTENSION in extensions


def require_declared(client_capabilities: dict[str, Any]) -> None:
    """Raises -32021 unless the client knows the extension."""
    if not declared(client_capabilities):
        raise missing_capability({"extensions": {EXTENSION: {}}})


def wants(
    era: Era,
    params: dict[str, Any],
    client_capabilities: dict[str, Any],
    tool_support: Support,
    revision: str | None = None,
) -> bool:
    """Whether this ``tools/call`` is to become a task.

    2025-11-25: the client says so, with ``task`` in the parameters. Since 2026-07-28: every client that knows the
    extension gets one from every tool that supports them, whatever its parameters say. Raises -32601 (legacy) or -32021
    (modern) where tool and client do not go together. Revisions before 2025-11-25 (`revision`) have no tasks.
    """
    if era == "modern":
        if tool_support == "required":
            require_declared(client_capabilities)
        return tool_support != "forbidden" and declared(client_capabilities)
    asked = "task" in params and (revision is None or revision >= LAST_LEGACY)
    name = str(params.get("name"))[:128]
    if asked and tool_support == "forbidden":
        raise _refused(f"the tool {name!r} does not run as a task; call it without 'task'")
    if not asked and tool_support == "required":
        raise _refused(f"the tool {name!r} runs as a task only; call it with 'task' in the parameters ({LAST_LEGACY})")
    return asked


def requested_ttl_ms(params: dict[str, Any]) -> int | None:
    """The ``task.ttl`` of a legacy ``tools/call``, in milliseconds; raises -32602 where it is none."""
    task = params.get("task")
    if not isinstance(task, dict):
        raise invalid_params("task must be an object")
    ttl = task.get("ttl")
    if ttl is None:
        return None
    if isinstance(ttl, bool) or not isinstance(ttl, int | float) or not 0 <= ttl < 1 << 53:
        raise invalid_params("task.ttl must be a number of milliseconds, 0 or more")
    return int(ttl)


def _refused(reason: str) -> McpError:
    return McpError(METHOD_NOT_FOUND, f"{NAMES[METHOD_NOT_FOUND]}: {reason}")
