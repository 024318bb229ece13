"""What a terminal shows that a pipe does not: colour, and a note when something takes long."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

PATIENCE_S = 0.7
"""How long work may take before a terminal is told about it."""


def colours(stream: TextIO) -> bool:
    """True when `stream` is a terminal that takes colours (https://no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def paint(text: str, code: str, stream: TextIO) -> str:
    """`text` with an SGR code such as ``31`` (red) or ``1`` (bold), where the stream takes colours."""
    return f"\x1b[{code}m{text}\x1b[0m" if colours(stream) else text


def complain(message: str) -> None:
    """An error on stderr."""
    print(f"{paint('error:', '31', sys.stderr)} {message}", file=sys.stderr)


@contextmanager
def note_if_slow(what: str) -> Iterator[None]:
    """Say `what` on stderr once the body has taken a while, on a terminal only, and wipe it when the body ends."""
    if not sys.stderr.isatty():
        yield
        return
    shown = threading.Event()

    def show() -> None:
        shown.set()
        print(what, end="", file=sys.stderr, flush=True)

    timer = threading.Timer(PATIENCE_S, show)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        if shown.is_set():
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
