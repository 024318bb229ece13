"""Errors of the configuration room."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """One thing wrong with a configuration: where it stands and what to do about it."""

    file: str
    line: int
    """1-based; 0 where the problem concerns the file as a whole."""
    column: int
    path: str
    """The key, as in ``runtime.wasm.fuel`` or ``mcp.tools[2].name``; empty for the whole file."""
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(ValueError):
    """A configuration that cannot be used. `problems` has every fault that was found, in the file's order."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class UnitError(ValueError):
    """A quantity that does not read as one; the message says what was expected."""
