"""JSON-RPC error codes as MCP uses them, and the one exception that carries them."""

from __future__ import annotations

from typing import Any

from mcpkit.mcp.revisions import Era

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

HEADER_MISMATCH = -32020
"""Modern HTTP: a routing header is missing, malformed, or says something else than the body."""
MISSING_CLIENT_CAPABILITY = -32021
"""Modern: the answer needs something the client did not declare; ``data.requiredCapabilities`` names it."""
UNSUPPORTED_PROTOCOL_VERSION = -32022
"""Modern: ``data`` holds ``supported`` and ``requested``."""

RESOURCE_NOT_FOUND = -32002
"""Legacy only; the modern era says INVALID_PARAMS with ``data.uri``."""
URL_ELICITATION_REQUIRED = -32042
"""Legacy only (2025-11-25)."""

NAMES: dict[int, str] = {
    PARSE_ERROR: "Parse error",
    INVALID_REQUEST: "Invalid request",
    METHOD_NOT_FOUND: "Method not found",
    INVALID_PARAMS: "Invalid params",
    INTERNAL_ERROR: "Internal error",
    HEADER_MISMATCH: "Header mismatch",
    MISSING_CLIENT_CAPABILITY: "Missing required client capability",
    UNSUPPORTED_PROTOCOL_VERSION: "Unsupported protocol version",
    RESOURCE_NOT_FOUND: "Resource not found",
    URL_ELICITATION_REQUIRED: "URL elicitation required",
}

_MODERN_STATUS: dict[int, int] = {
    PARSE_ERROR: 400,
    INVALID_REQUEST: 400,
    METHOD_NOT_FOUND: 404,
    HEADER_MISMATCH: 400,
    MISSING_CLIENT_CAPABILITY: 400,
    UNSUPPORTED_PROTOCOL_VERSION: 400,
}

_LEGACY_STATUS: dict[int, int] = {PARSE_ERROR: 400, INVALID_REQUEST: 400}


def http_status(code: int, era: Era) -> int:
    """The HTTP status of a JSON-RPC error that a method answers with.

    Errors of the envelope are 4xx. Whatever a method that exists says about its own parameters travels in a 200, as
    results do; a missing or malformed modern ``_meta`` is an envelope error and sets its status itself.
    """
    return (_MODERN_STATUS if era == "modern" else _LEGACY_STATUS).get(code, 200)


class McpError(Exception):
    """An error answer: `code` and `message` of JSON-RPC, optional `data` (any JSON value), and an HTTP status.

    `http_status` is None where the code and the era decide (see `status`).
    """

    def __init__(self, code: int, message: str, data: Any = None, http_status: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.http_status = http_status

    def status(self, era: Era) -> int:
        """The HTTP status to answer with."""
        return self.http_status if self.http_status is not None else http_status(self.code, era)

    def __repr__(self) -> str:
        return f"McpError({self.code}, {self.message!r})"


def invalid_params(message: str, data: Any = None, http_status: int | None = None) -> McpError:
    """-32602 with a message that starts the way the code's name does."""
    return McpError(INVALID_PARAMS, f"{NAMES[INVALID_PARAMS]}: {message}", data, http_status)


def missing_capability(required: dict[str, Any]) -> McpError:
    """-32021: the client did not declare what `required` (a ClientCapabilities object) names."""
    names = ", ".join(sorted(required))
    message = f"{NAMES[MISSING_CLIENT_CAPABILITY]}: {names}"
    return McpError(MISSING_CLIENT_CAPABILITY, message, {"requiredCapabilities": required})


def unsupported_version(requested: str, supported: tuple[str, ...]) -> McpError:
    """-32022, naming what was asked for and what there is."""
    message = f"{NAMES[UNSUPPORTED_PROTOCOL_VERSION]}: {requested}"
    return McpError(UNSUPPORTED_PROTOCOL_VERSION, message, {"supported": list(supported), "requested": requested})
