"""Guests: what a WebAssembly program offers as tools, whatever its style.

catalogue = Catalogue.open(runtime, [Module(path=Path("calculator.wasm"))])
tool = catalogue.tool("add").bind(limits)
"""

from mcpkit.guests.catalogue import Catalogue, Module, Opener, matches
from mcpkit.guests.errors import (
    DescriptionError,
    DuplicateToolError,
    GuestError,
    ManifestError,
    ToolConfigError,
    UnknownStyleError,
    UnknownToolError,
)
from mcpkit.guests.interface import CallLimits, Guest, ToolSettings, ToolSpec
from mcpkit.guests.recognise import Style, recognise

__all__ = [
    "CallLimits",
    "Catalogue",
    "DescriptionError",
    "DuplicateToolError",
    "Guest",
    "GuestError",
    "ManifestError",
    "Module",
    "Opener",
    "Style",
    "ToolConfigError",
    "ToolSettings",
    "ToolSpec",
    "UnknownStyleError",
    "UnknownToolError",
    "matches",
    "recognise",
]
