"""What can go wrong between a program and its tools. Each message says what, where and what to do."""

from __future__ import annotations


class GuestError(Exception):
    """Any failure of this room."""


class UnknownStyleError(GuestError):
    """A program that no guest style fits; the message says what was found and which styles there are."""


class DescriptionError(GuestError):
    """A program whose exports cannot become tools."""


class ManifestError(GuestError):
    """A manifest beside a module that cannot be used."""


class ToolConfigError(GuestError):
    """A configured tool that fits no module, or none of its functions."""


class DuplicateToolError(GuestError):
    """Two tools, or two modules, of one name."""


class UnknownToolError(GuestError, LookupError):
    """No tool of that name; the message names the nearest."""
