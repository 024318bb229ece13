"""stdio: one JSON-RPC message per line. Nothing but messages reaches stdout."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from mcpkit.application import Application
from mcpkit.transport.core import core_server


def run_stdio(app: Application) -> None:
    """Serve until stdin ends and every call has been answered, or until nobody reads stdout any more.

    Blocks. stdout is taken over: what anything else in the process prints goes to stderr from now on. Raises OSError
    when reading or writing fails for another reason.
    """
    server = core_server(app)
    out = os.dup(1)
    os.dup2(2, 1)
    try:
        with _interruptible():
            server.run_stdio(0, out)
    except BrokenPipeError:
        pass
    finally:
        server.close()
        os.close(out)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGINT end the process itself.

    Python's handler only leaves a note for the interpreter, which a thread that is just about to block in a read would
    not look at before the next message. Nothing here needs tidying that the operating system does not tidy.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
