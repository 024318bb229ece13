"""What can go wrong with tools, resources and prompts written in Python."""

from __future__ import annotations

from typing import Any

INVALID_PARAMS = -32602


class NativeError(Exception):
    """Any failure of this room."""


class DefinitionError(NativeError):
    """A function that cannot be served as it is written: raised where it is registered, never while serving."""


class DuplicateError(DefinitionError):
    """Two tools or prompts of one name, or two resources of one URI."""


class UnknownError(NativeError, LookupError):
    """Nothing of that name is registered."""


class ToolError(NativeError):
    """Raised by a handler: its message is the answer, marked as an error, and the model reads it."""


class ResourceNotFoundError(NativeError):
    """There is no such resource; handlers of templates raise it too. `uri` is what was asked for."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"resource not found: {uri[:256]}")
        self.uri = uri


class ProtocolError(NativeError):
    """Answers the request with a JSON-RPC error instead of a result.

    Codes of an application's own lie outside -32768…-32000, which JSON-RPC and MCP keep for themselves.
    """

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data


class ArgumentError(ProtocolError):
    """Arguments that do not fit (-32602). A tool answers with a result marked as an error instead."""

    def __init__(self, message: str, data: Any = None) -> None:
        super().__init__(INVALID_PARAMS, message, data)
