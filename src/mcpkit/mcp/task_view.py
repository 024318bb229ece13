"""Tasks as clients see them: the objects of 2025-11-25 and those of the extension."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from mcpkit.mcp.errors import INTERNAL_ERROR, McpError
from mcpkit.mcp.revisions import Era
from mcpkit.storage import TaskRecord

RELATED = "io.modelcontextprotocol/related-task"
"""Of ``_meta``, before 2026-07-28: which task a message belongs to."""


def related(params: dict[str, Any], task_id: str) -> dict[str, Any]:
    """Parameters or a result that name the task they belong to."""
    meta = params.get("_meta")
    return {**params, "_meta": {**(meta if isinstance(meta, dict) else {}), RELATED: {"taskId": task_id}}}


def task(record: TaskRecord, era: Era, poll_ms: int) -> dict[str, Any]:
    """The `Task` object. A tool that failed has a failed task in the legacy era, a completed one in the modern."""
    legacy = era == "legacy"
    out: dict[str, Any] = {
        "taskId": record.id,
        "status": "failed" if legacy and record.tool_error else record.status,
        "createdAt": _time(record.created_ms),
        "lastUpdatedAt": _time(record.updated_ms),
        "ttl" if legacy else "ttlMs": record.ttl_ms,
        "pollInterval" if legacy else "pollIntervalMs": poll_ms,
    }
    if record.message:
        out["statusMessage"] = record.message
    return out


def created(record: TaskRecord, era: Era, poll_ms: int) -> dict[str, Any]:
    """The `CreateTaskResult`."""
    if era == "legacy":
        return {"task": task(record, era, poll_ms)}
    return {"resultType": "task", **task(record, era, poll_ms)}


def detailed(record: TaskRecord, poll_ms: int, *, requests: dict[str, Any], outcome: bytes) -> dict[str, Any]:
    """The modern `DetailedTask`: what the status calls for stands in it."""
    out = task(record, "modern", poll_ms)
    match record.status:
        case "input_required":
            out["inputRequests"] = requests
        case "completed":
            out["result"] = {"resultType": "complete", **msgspec.json.decode(outcome)}
        case "failed":
            out["error"] = msgspec.json.decode(outcome)
    return out


def payload(record: TaskRecord, outcome: bytes) -> dict[str, Any]:
    """What ``tasks/result`` answers for a finished task: the call's own result, or its error, raised."""
    if record.status == "completed":
        return related(msgspec.json.decode(outcome), record.id)
    if record.status == "failed":
        error = msgspec.json.decode(outcome)
        raise McpError(error["code"], error["message"], error.get("data"))
    raise McpError(INTERNAL_ERROR, "the task was cancelled and has no result")


def _time(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"
