"""stdio: one JSON-RPC message per line. Nothing but messages reaches stdout."""

from __future__ import annotations

import os

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
        server.run_stdio(0, out)
    except BrokenPipeError:
        pass
    finally:
        server.close()
        os.close(out)
