"""What a command's end means in MCP, for engines whose results the core does not write itself."""

from __future__ import annotations

import json
from typing import Any, Protocol

USAGE = "io.mcpkit/usage"
"""Where a result says what its call used; the core writes the same for guests."""
ERROR = "io.mcpkit/error"


class Ended(Protocol):
    """A result of one call."""

    @property
    def status(self) -> str: ...
    @property
    def output(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...
    @property
    def detail(self) -> str: ...
    @property
    def exit_status(self) -> int: ...
    @property
    def units(self) -> int: ...
    @property
    def wall_ns(self) -> int: ...
    @property
    def memory_bytes(self) -> int: ...


def command_answer(ended: Ended) -> dict[str, Any]:
    """The members of a CallToolResult."""
    usage: dict[str, Any] = {"computeUnits": ended.units, "durationMs": ended.wall_ns // 1000 / 1000}
    if ended.memory_bytes:
        usage["memoryBytes"] = ended.memory_bytes
    meta: dict[str, Any] = {USAGE: usage}
    if ended.status not in {"ok", "guest_error"}:
        meta[ERROR] = {"kind": ended.status}
        return {**_text(ended.detail, failed=True), "_meta": meta}
    return {**_said(ended), "_meta": meta}


def _said(ended: Ended) -> dict[str, Any]:
    failed = ended.status == "guest_error"
    try:
        value = json.loads(ended.output)
    except ValueError as error:
        reason = f"the tool ended with exit status {ended.exit_status}" if failed else _not_json(ended.output, error)
        noise = ended.stderr.decode("utf-8", "replace").rstrip()
        return _text(f"{reason}\n{noise}" if noise else reason, failed=True)
    if isinstance(value, dict) and list(value) == ["error"]:
        return _text(_shown(value["error"]), failed=True)
    if failed:
        return _text(f"the tool ended with exit status {ended.exit_status}", failed=True)
    if isinstance(value, dict) and list(value) == ["content"]:
        return _text(_shown(value["content"]), failed=False)
    answer = _text(_shown(value), failed=False)
    return {**answer, "structuredContent": value} if isinstance(value, dict) else answer


def _not_json(output: bytes, error: ValueError) -> str:
    if not output:
        return "the tool printed nothing: its standard output must be one JSON value"
    return f"the tool's standard output is not one JSON value: {error}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(text: str, *, failed: bool) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}], "isError": failed}
