"""Patterns in which * stands for any text and everything else for itself."""

from __future__ import annotations

import re
from collections.abc import Callable


def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a whole text fits `pattern`, upper and lower case told apart."""
    fits = re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL).fullmatch
    return lambda text: fits(text) is not None
