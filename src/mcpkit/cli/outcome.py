"""How a call ended, in the words of the command line."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, Protocol

from mcpkit.cli import exits


class CallResult(Protocol):
    """The core's result of one call, as far as it is shown."""

    @property
    def status(self) -> str: ...
    @property
    def output(self) -> bytes: ...
    @property
    def stderr(self) -> bytes: ...
    @property
    def exit_status(self) -> int: ...
    @property
    def detail(self) -> str: ...


class Outcome(NamedTuple):
    """What to print and which status to exit with."""

    exit: int
    result: str | None
    """JSON text of the answer; None where there is none."""
    error: str | None


def read(call: CallResult, command: bool) -> Outcome:
    """The outcome of a call; `command` for a WASI command, whose answer is what it printed.

    A command answers with one JSON value on its standard output; ``{"error": …}`` means that it failed.
    """
    if call.status not in ("ok", "guest_error"):
        return Outcome(exits.of_status(call.status), None, call.detail or call.status)
    text, value, fault = _json(call.output)
    if not command:
        if call.status == "ok":
            return Outcome(exits.OK, text, None)
        return Outcome(exits.TOOL_ERROR, None, value if isinstance(value, str) else text)
    if isinstance(value, dict) and list(value) == ["error"]:
        said = value["error"]
        return Outcome(exits.TOOL_ERROR, None, said if isinstance(said, str) else json.dumps(said, ensure_ascii=False))
    if call.status == "guest_error":
        return Outcome(exits.TOOL_ERROR, None, call.detail or f"the tool ended with exit status {call.exit_status}")
    if fault:
        what = f"not one JSON value: {fault}" if text else "empty; it must be one JSON value"
        return Outcome(exits.TOOL_ERROR, None, f"the tool's standard output is {what}")
    return Outcome(exits.OK, text, None)


def pretty(text: str) -> str:
    """JSON text on several lines."""
    return json.dumps(json.loads(text), indent=2, ensure_ascii=False)


def harmless(text: str) -> str:
    """Text of a guest for a terminal: control characters, which could steer it, are shown as U+FFFD."""
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", "\ufffd", text)


def _json(output: bytes) -> tuple[str, Any, str | None]:
    """Text, value and what is wrong with it as JSON."""
    try:
        text = output.decode().strip()
        return text, json.loads(text, parse_constant=_refuse), None
    except UnicodeDecodeError as error:
        return output.decode(errors="replace").strip(), None, f"not UTF-8 at byte {error.start}"
    except ValueError as error:
        return text, None, str(error)
    except RecursionError:
        return text, None, "nested too deep"


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
