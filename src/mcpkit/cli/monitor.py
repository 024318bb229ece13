"""A call that is shown on stderr while it runs."""

from __future__ import annotations

import select
import sys
import time

from mcpkit.core.wasm import CallResult, Tool
from mcpkit.metering.monitor import Moment, Screen, line


def watched(tool: Tool, arguments: bytes, form: str, max_units: int) -> CallResult:
    """Call `tool`, with a line about it that is drawn again. Ctrl-C cancels the call."""
    engine = tool.program.engine
    screen = Screen(sys.stderr)
    begun = time.monotonic_ns()
    call = tool.start(arguments)
    try:
        while not call.done:
            select.select([engine.notify_fd], [], [], screen.interval_s)
            if engine.next_done() is None:
                units, per_second = call.look()
                screen.show(line(Moment(units, per_second, time.monotonic_ns() - begun, max_units), form))
    except KeyboardInterrupt:
        call.cancel()
        raise
    finally:
        screen.clear()
    assert call.result is not None
    return call.result
