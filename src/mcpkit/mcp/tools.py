"""The tools family: its methods, and the result of tools/list."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

from mcpkit.mcp import tasks
from mcpkit.mcp.method import Method
from mcpkit.mcp.revisions import Era
from mcpkit.mcp.server import ServerInfo

METHODS = (
    Method("tools/list", capability="tools"),
    Method("tools/call", capability="tools"),
    Method("notifications/tools/list_changed", kind="notification", sender="server"),
)


class ToolSpec(Protocol):
    """What the protocol needs to know of a tool; `mcpkit.guests` has the real ones."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str | None: ...
    @property
    def description(self) -> str | None: ...
    @property
    def input_schema(self) -> dict[str, Any]: ...
    @property
    def output_schema(self) -> dict[str, Any] | None: ...
    @property
    def annotations(self) -> dict[str, Any] | None: ...


def in_order(tools: Sequence[ToolSpec]) -> list[ToolSpec]:
    """Tools sorted by name, the order of every list; two of one name are a ValueError."""
    ordered = sorted(tools, key=lambda tool: tool.name)
    for before, tool in pairwise(ordered):
        if before.name == tool.name:
            raise ValueError(f"two tools are named {tool.name!r}; give one of them another name in mcp.tools")
    return ordered


def describe(tool: ToolSpec, era: Era) -> dict[str, Any]:
    """One entry of ``tools/list``. Schemas are passed on as they are.

    Legacy clients expect structured content to be an object, so an output schema of another type is for modern ones.
    """
    out: dict[str, Any] = {"name": tool.name}
    if tool.title:
        out["title"] = tool.title
    if tool.description:
        out["description"] = tool.description
    out["inputSchema"] = tool.input_schema
    output = tool.output_schema
    if output is not None and (era == "modern" or output.get("type") == "object"):
        out["outputSchema"] = output
    if tool.annotations:
        out["annotations"] = tool.annotations
    for member, name in (("icons", "icons"), ("meta", "_meta")):
        value = getattr(tool, member, None)
        if value:
            out[name] = value
    how = tasks.execution(getattr(tool, "task_support", "forbidden")) if era == "legacy" else None
    if how:
        out["execution"] = how
    return out


def list_result(info: ServerInfo, tools: Sequence[ToolSpec], era: Era) -> dict[str, Any]:
    """The result of ``tools/list``: everything on one page."""
    members = {"tools": [describe(tool, era) for tool in in_order(tools)]}
    return info.cached(members) if era == "modern" else members
