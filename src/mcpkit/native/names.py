"""Names of tools and prompts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mcpkit.native.errors import DefinitionError

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def check_name(what: str, name: str) -> str:
    """`name`, or DefinitionError where clients could not use it."""
    if not _NAME.fullmatch(name):
        raise DefinitionError(
            f"{what} {name[:80]!r}: a name has 1 to 64 letters, digits, and the signs _ . - ; give one with name="
        )
    return name


def nearest(name: str, there: Iterable[str]) -> str:
    """`` (did you mean …?)`` where something is close."""
    import difflib

    close = difflib.get_close_matches(name, list(there), 1)
    return f" (did you mean {close[0]!r}?)" if close else ""
