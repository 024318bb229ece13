"""Which style a program is written in, from its bytes and its exports."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from mcpkit.guests.describe import Component, CoreModule, Described
from mcpkit.guests.errors import UnknownStyleError

Style: TypeAlias = Literal["command", "component"]

MAGIC = b"\0asm"
RUN = re.compile(r"wasi:cli/run@0\.2\.\d+\Z")

STYLES = (
    "a WASI command (a module that exports _start, or a component that exports wasi:cli/run@0.2.x) "
    "and a plain component (one that exports functions)"
)


def layer(binary: bytes) -> Literal["module", "component"] | None:
    """What the preamble says; None where the bytes are no WebAssembly binary."""
    if len(binary) < 8 or not binary.startswith(MAGIC):
        return None
    return {b"\0\0": "module", b"\1\0": "component"}.get(binary[6:8])  # type: ignore[return-value]


def recognise(described: Described, where: str) -> Style:
    """The style of a program; `where` stands in the message. Raises UnknownStyleError."""
    match described:
        case CoreModule(exports=exports):
            functions = [export.name for export in exports if export.type == "func"]
            if "_start" in functions:
                return "command"
            found = f"is a core module that exports {_some(functions, 'no function')}"
        case Component(exports=components):
            if any(export.interface and RUN.match(export.interface) for export in components):
                return "command"
            if components:
                return "component"
            found = "is a component that exports no function"
    raise UnknownStyleError(f"{where}: {found}, and no guest style fits; the styles are {STYLES}")


def _some(names: list[str], none: str) -> str:
    return ", ".join(sorted(names)[:8]) + (", …" if len(names) > 8 else "") if names else none
