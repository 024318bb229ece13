"""Texts that nobody may read in a log: what is hidden, and hiding it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from urllib.parse import quote

MASK = "***"
SHORTEST = 4
"""Shorter texts would hide half of every line, and are no secrets."""

_lock = threading.Lock()
_hidden: tuple[str, ...] = ()


class Secret:
    """A text that shows itself only when asked for `reveal`."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text
        hide([text])

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def hide(texts: Iterable[str]) -> None:
    """Hide these texts, and how they look inside URLs and JSON, in every log line from now on."""
    global _hidden
    with _lock:
        long = [text for text in texts if len(text) >= SHORTEST]
        wanted = {form for text in long for form in _forms(text)}
        # The longest first: one secret may be a part of another.
        _hidden = tuple(sorted({*_hidden, *wanted}, key=len, reverse=True))


def _forms(text: str) -> tuple[str, ...]:
    return text, quote(text, safe=""), json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]


def redacted(line: str) -> str:
    """The line with every hidden text masked."""
    for text in _hidden:
        if text in line:
            line = line.replace(text, MASK)
    return line
