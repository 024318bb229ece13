"""Every method of every revision, gathered from the families' tables."""

from __future__ import annotations

from mcpkit.mcp import (
    cancellation,
    client,
    completion,
    lifecycle,
    logging,
    prompts,
    resources,
    skills,
    subscriptions,
    tasks,
    tools,
)
from mcpkit.mcp.errors import METHOD_NOT_FOUND, NAMES, McpError
from mcpkit.mcp.method import Kind, Method, Sender

FAMILIES: dict[str, tuple[Method, ...]] = {
    "lifecycle": lifecycle.METHODS,
    "tools": tools.METHODS,
    "resources": resources.METHODS,
    "prompts": prompts.METHODS,
    "completion": completion.METHODS,
    "logging": logging.METHODS,
    "subscriptions": subscriptions.METHODS,
    "tasks": tasks.METHODS,
    "skills": skills.METHODS,
    "cancellation": cancellation.METHODS,
    "client": client.METHODS,
}

_by_name: dict[str, list[Method]] = {}
for _family in FAMILIES.values():
    for _method in _family:
        _by_name.setdefault(_method.name, []).append(_method)


def find(name: str, revision: str, kind: Kind = "request", sender: Sender = "client") -> Method | None:
    """The method as `revision` defines it, or None."""
    for method in _by_name.get(name, ()):
        if method.kind == kind and method.sender == sender and method.lives_in(revision):
            return method
    return None


def family(name: str) -> str | None:
    """The family a method belongs to, or None for a name no revision knows."""
    for family_name, methods in FAMILIES.items():
        if any(method.name == name for method in methods):
            return family_name
    return None


def require(name: str, revision: str, offered: frozenset[str]) -> Method:
    """The request method that a client may use in `revision` of a server with the capabilities `offered`.

    Raises -32601 that says why: unknown, of another revision, not for clients to send, or not offered here.
    """
    method = find(name, revision)
    if method is not None:
        if method.capability is None or method.capability in offered:
            return method
        reason = f"this server does not offer {method.capability.removeprefix('ext:')}"
    else:
        reason = _why_not(name)
    raise not_found(name, reason)


def not_found(name: str, reason: str = "") -> McpError:
    """-32601."""
    shown = name if len(name) <= 128 else name[:128] + "…"
    return McpError(METHOD_NOT_FOUND, f"{NAMES[METHOD_NOT_FOUND]}: {shown}" + (f" ({reason})" if reason else ""))


def _why_not(name: str) -> str:
    rows = _by_name.get(name)
    if not rows:
        return ""
    requests = [row for row in rows if row.kind == "request"]
    if not requests:
        return "this is a notification and takes no id"
    own = [row for row in requests if row.sender == "client"]
    if not own:
        return "only servers send this"
    spans = sorted({(row.since, row.until) for row in own})
    return "only in revision " + ", ".join(a if a == b else f"{a} to {b}" for a, b in spans)
