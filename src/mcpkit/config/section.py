"""What every part of the schema is made of: sections, and the kinds of values."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec

from mcpkit.config import units
from mcpkit.config.convert import Check, Place, Placed, Quantity, Range, Secret

__all__ = ["ComputeUnits", "Count", "Duration", "Hidden", "Place", "Port", "Section", "Size", "Text", "Where"]

Size = Annotated[int, Quantity(units.size, allow_number=True)]
"""Bytes."""
Duration = Annotated[int, Quantity(units.duration, allow_number=False)]
"""Nanoseconds."""
ComputeUnits = Annotated[int, Quantity(units.compute_units, allow_number=True)]
Port = Annotated[int, Range(1, 65535)]
Count = Annotated[int, Range(1, 1_000_000)]
Text = Annotated[str, Check(lambda text: bool(text.strip()), "must not be empty", r"\S")]
Hidden = Annotated[str, Secret()]
"""A text that is never shown."""
Where = Annotated[Place, Placed()]
"""No key: where the section stands."""

LATER = "not supported yet in this version; remove the key"


def later(*keys: str) -> dict[str, str]:
    """Keys of the documented schema that this version does not act on."""
    return dict.fromkeys(keys, LATER)


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A mapping of the file."""

    NOT_YET: ClassVar[dict[str, str]] = {}
    """Keys that the documented schema has and this version does not act on, with what to say about them."""
    SCALAR_KEY: ClassVar[str] = ""
    """The key that a text alone stands for, as in ``allow: [add]``."""
    LIST_KEY: ClassVar[str] = ""
    """The key that a list alone stands for."""
    OLD: ClassVar[frozenset[str]] = frozenset()
    """Keys that still work, and for which there is a newer way."""
