"""How often tools may be called: counts of the running minute and hour (UTC) of this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

import msgspec

from mcpkit.policy.evaluator import Rate

_SECONDS: dict[Literal["minute", "hour"], int] = {"minute": 60, "hour": 3600}


class Exceeded(msgspec.Struct, frozen=True):
    """A call too many."""

    window: Literal["minute", "hour"]
    limit: int
    resets: int
    """When calls are allowed again, in seconds since 1970."""
    retry_after: int
    """The same from now on, in seconds; at least 1."""


class RateMeter:
    """Counts calls by tool. Safe to use from several threads at once."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, str], tuple[int, int]] = {}
        """Number of the window and calls in it, by tool and kind of window."""

    def call(self, tool: str, rate: Rate) -> Exceeded | None:
        """Count a call in every window, or in none and say which one is full."""
        now = self._clock()
        limits: dict[Literal["minute", "hour"], int | None] = {"minute": rate.per_minute, "hour": rate.per_hour}
        with self._lock:
            counted: dict[tuple[str, str], tuple[int, int]] = {}
            for window, limit in limits.items():
                if limit is None:
                    continue
                seconds = _SECONDS[window]
                number = int(now // seconds)
                begun, count = self._counts.get((tool, window), (number, 0))
                if begun != number:
                    count = 0
                if count >= limit:
                    resets = (number + 1) * seconds
                    return Exceeded(window, limit, resets, max(1, round(resets - now + 0.5)))
                counted[tool, window] = (number, count + 1)
            self._counts |= counted
        return None
