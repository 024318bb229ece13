"""JSON-RPC envelopes written around texts that are JSON already."""

from __future__ import annotations

from typing import Any

import orjson

from mcpkit.mcp.errors import McpError
from mcpkit.mcp.link import dump


def response(request_id: bytes, result: bytes) -> bytes:
    """The answer to `request_id` (raw JSON, given back byte for byte) with the JSON object text `result`."""
    return b'{"jsonrpc":"2.0","id":' + request_id + b',"result":' + result + b"}"


def error(request_id: bytes | None, error: McpError) -> bytes:
    """The error answer to `request_id`; None where the id could not be read."""
    return b'{"jsonrpc":"2.0","id":' + (request_id or b"null") + b',"error":' + error_object(error) + b"}"


def error_object(error: McpError) -> bytes:
    """The ``error`` member alone."""
    body: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return dump(body)


def notification(method: str, params: bytes) -> bytes:
    """A notification with the JSON object text `params`."""
    return b'{"jsonrpc":"2.0","method":' + orjson.dumps(method) + b',"params":' + params + b"}"
