"""A program's imports and exports, as the core describes them (see `mck_wasm_program_describe` in mcpkit/wasm.h)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

if TYPE_CHECKING:
    from mcpkit.core.wasm import Program

WitType: TypeAlias = str | dict[str, Any]
"""``"u8"``, or one key that names the kind: ``{"list": "string"}``."""


class CoreImport(msgspec.Struct, frozen=True):
    module: str
    name: str
    type: str


class CoreExport(msgspec.Struct, frozen=True):
    name: str
    type: str


class Param(msgspec.Struct, frozen=True):
    """A parameter, a record's field."""

    name: str
    type: WitType


class Function(msgspec.Struct, frozen=True):
    """An exported function of a component; `interface` is None at its root."""

    interface: str | None
    name: str
    params: list[Param]
    result: WitType | None

    @property
    def path(self) -> str:
        """For people: ``example:math/calculator@1.0.0 add-one``."""
        return self.name if self.interface is None else f"{self.interface} {self.name}"


class CoreModule(msgspec.Struct, frozen=True, tag_field="kind", tag="module"):
    imports: list[CoreImport]
    exports: list[CoreExport]


class Component(msgspec.Struct, frozen=True, tag_field="kind", tag="component"):
    imports: list[str]
    exports: list[Function]


Described: TypeAlias = CoreModule | Component

_decoder: msgspec.json.Decoder[Described] = msgspec.json.Decoder(CoreModule | Component)


def read(description: bytes) -> Described:
    """From `Program.describe()`."""
    return _decoder.decode(description)


def unsupported(type_: WitType | None) -> str | None:
    """Why a type cannot be converted (``"resource"``), None when it can."""
    match type_:
        case {"unsupported": str(reason)}:
            return reason
        case {"record": list(fields)} | {"variant": list(fields)}:
            return next(filter(None, (unsupported(field["type"]) for field in fields)), None)
        case {"tuple": list(types)} | {"map": list(types)}:
            return next(filter(None, map(unsupported, types)), None)
        case {"list": inner} | {"option": inner}:
            return unsupported(inner)
        case {"result": {"ok": ok, "err": err}}:
            return unsupported(ok) or unsupported(err)
        case _:
            return None


def sees_files(program: Program) -> bool:
    """Whether a program has the means to open files, if it is given any."""
    described = read(program.describe())
    if isinstance(described, CoreModule):
        return any(one.module.startswith("wasi_") for one in described.imports)
    return any(name.startswith("wasi:filesystem/") for name in described.imports)
