"""Live metering on a terminal or in a log: a line that is drawn again while calls run."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol, TextIO

from mcpkit.metering.display import abbreviated, grouped, progress, rate
from mcpkit.metering.usage import Usage

REDRAW_S = 0.1
"""Between two drawings on a terminal: at most ten a second."""
LOG_S = 1.0
"""Between two lines where nothing can be drawn again."""


class Moment(NamedTuple):
    """What is known of one running call, or of all calls of a server."""

    units: int
    per_second: float
    elapsed_ns: int
    max_units: int = 0
    """0: no limit, or several."""
    running: int | None = None
    """Calls that run now; None: it is about one call."""
    ended: int = 0


def line(moment: Moment, form: str) -> str:
    """One line in one of `mcpkit.metering.FORMATS`."""
    match form:
        case "json":
            return json.dumps(_members(moment))
        case "progress" | "progress_bar" if moment.max_units:
            usage = Usage(moment.units, moment.elapsed_ns, max_units=moment.max_units)
            return f"{progress(usage)} @ {rate(moment.per_second)}"
        case "detailed":
            share = f" ({moment.units * 100 // moment.max_units}% of the limit)" if moment.max_units else ""
            text = f"⚡ {grouped(moment.units)} CU{share} @ {rate(moment.per_second)}, {moment.elapsed_ns / 1e9:.1f}s"
        case _:
            text = f"⚡ {abbreviated(moment.units)} CU @ {rate(moment.per_second)}"
    return text + _calls(moment)


def _members(moment: Moment) -> dict[str, object]:
    members: dict[str, object] = {
        "compute_units": moment.units,
        "units_per_second": moment.per_second,
        "elapsed_ms": moment.elapsed_ns // 1_000_000,
    }
    if moment.max_units:
        members["max_compute_units"] = moment.max_units
    if moment.running is not None:
        members |= {"running": moment.running, "ended": moment.ended}
    return members


def _calls(moment: Moment) -> str:
    if moment.running is None:
        return ""
    return f" · {moment.running} running · {grouped(moment.ended)} ended"


class Screen:
    """Where lines go: drawn over one another on a terminal, one below the other elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.redraws = stream.isatty()
        self._shown = ""

    @property
    def interval_s(self) -> float:
        return REDRAW_S if self.redraws else LOG_S

    def show(self, text: str) -> None:
        """The same line twice is not shown twice."""
        if text == self._shown:
            return
        self._shown = text
        self._stream.write(f"\r{text}\x1b[K" if self.redraws else f"{text}\n")
        self._stream.flush()

    def clear(self) -> None:
        """Whatever comes next begins on an empty line."""
        if self.redraws and self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
        self._shown = ""


class Engine(Protocol):
    """`mcpkit.core.wasm.Engine`."""

    def running(self) -> tuple[int, int, float]: ...


class Monitor:
    """Watches a server's calls from a thread of its own. A context manager."""

    def __init__(self, engine: Engine, totals: Callable[[], tuple[int, int]], form: str, stream: TextIO) -> None:
        """`totals`: units and number of the calls that have ended."""
        self._engine = engine
        self._totals = totals
        self._form = form
        self._screen = Screen(stream)
        self._begun_ns = time.monotonic_ns()
        self._over = threading.Event()
        self._seen: tuple[int, int] = (-1, 0)
        self._thread = threading.Thread(target=self._watch, name="mcpkit-monitor", daemon=True)

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._look(last=True)
        self._screen.clear()

    def _watch(self) -> None:
        while not self._over.wait(self._screen.interval_s):
            self._look()

    def _look(self, *, last: bool = False) -> None:
        running, units, per_second = (0, 0, 0.0) if last else self._engine.running()
        used, ended = self._totals()
        if (used + units, ended) == self._seen:
            return
        self._seen = (used + units, ended)
        elapsed = time.monotonic_ns() - self._begun_ns
        self._screen.show(line(Moment(used + units, per_second, elapsed, 0, running, ended), self._form))
