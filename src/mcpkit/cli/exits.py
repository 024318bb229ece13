"""Exit statuses: one per kind of failure, so that scripts can tell them apart."""

from __future__ import annotations

OK = 0
TOOL_ERROR = 1
USAGE = 2
COMPUTE_LIMIT = 3
MEMORY_LIMIT = 4
TIMEOUT = 5
TRAP = 6
BAD_ARGUMENTS = 7
CANNOT_LOAD = 8
RESULT_TOO_LARGE = 9
INTERNAL = 10
DIFFERS = 11
DENIED = 12
INTERRUPTED = 130

MEANINGS: dict[int, str] = {
    OK: "the tool answered",
    TOOL_ERROR: "the tool itself reported an error",
    USAGE: "wrong command line",
    COMPUTE_LIMIT: "stopped at the compute limit",
    MEMORY_LIMIT: "stopped at the memory limit",
    TIMEOUT: "stopped at the time limit",
    TRAP: "the guest trapped",
    BAD_ARGUMENTS: "the arguments do not fit the tool, or are too large",
    CANNOT_LOAD: "a module or configuration cannot be loaded",
    RESULT_TOO_LARGE: "the result is too large",
    INTERNAL: "busy, or a failure of the host",
    DIFFERS: "a replay went another way, or a receipt is not what it says",
    DENIED: "the policy does not allow it",
    INTERRUPTED: "interrupted",
}

_OF_STATUS: dict[str, int] = {
    "ok": OK,
    "guest_error": TOOL_ERROR,
    "bad_arguments": BAD_ARGUMENTS,
    "argument_too_large": BAD_ARGUMENTS,
    "result_too_large": RESULT_TOO_LARGE,
    "out_of_units": COMPUTE_LIMIT,
    "quota": COMPUTE_LIMIT,
    "rate": COMPUTE_LIMIT,
    "out_of_memory": MEMORY_LIMIT,
    "timeout": TIMEOUT,
    "trap": TRAP,
    "cancelled": INTERRUPTED,
    "busy": INTERNAL,
    "internal": INTERNAL,
}


def of_status(status: str) -> int:
    """The exit status for how a call ended (the core's status names)."""
    return _OF_STATUS.get(status, INTERNAL)


def table() -> str:
    """Every status with its meaning, one per line, for --help."""
    return "\n".join(f"  {code:<4}{meaning}" for code, meaning in MEANINGS.items())


class CliError(Exception):
    """A failure that ends the command: one message for people and an exit status."""

    def __init__(self, message: str, status: int = USAGE) -> None:
        super().__init__(message)
        self.status = status
