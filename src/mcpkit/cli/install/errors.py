"""Why a client's file is left as it is."""

from __future__ import annotations


class InstallError(Exception):
    """Nothing was written: the file cannot be read or changed safely, or the client does not take the server."""


class SyntaxFaultError(Exception):
    """The text is not what its format says, at `line` and `column` (1-based)."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"{line}:{column}: {message}")
        self.line = line
        self.column = column
        self.message = message
