"""stdio: one JSON-RPC message per line. Nothing but messages reaches stdout."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from mcpkit.application import Application
from mcpkit.transport.core import core_server

if TYPE_CHECKING:
    import asyncio

    from mcpkit.transport.reload import Reloader

LOOP_END_SECONDS = 2.0
INPUT_END_SECONDS = 10.0
"""How long handlers may go on after the input has ended: somebody may still read their answers."""


def run_stdio(app: Application, reloader: Reloader | None = None) -> None:
    """Serve until stdin ends and every call has been answered, or until nobody reads stdout any more.

    Blocks. stdout is taken over: what anything else in the process prints goes to stderr from now on. Raises OSError
    when reading or writing fails for another reason, PolicyError where the policy does not allow stdio. `reloader`
    watches meanwhile; `app` must be reloadable then.
    """
    app.require_transport("stdio")
    server = core_server(app)
    app.bind(server, server.post)
    out = os.dup(1)
    os.dup2(2, 1)
    try:
        with ExitStack() as stack:
            stack.enter_context(_interruptible())
            app.needs_loop(lambda: stack.enter_context(_event_loop(app)))
            if reloader is not None:
                _watch(app, reloader)
            server.run_stdio(0, out, spontaneous=app.spontaneous, at_end=lambda: app.input_ended(INPUT_END_SECONDS))
    except BrokenPipeError:
        pass
    finally:
        server.close()
        os.close(out)


def _watch(app: Application, reloader: Reloader) -> None:
    import asyncio

    assert app.loop is not None
    asyncio.run_coroutine_threadsafe(reloader.watch(), app.loop)


@contextmanager
def _event_loop(app: Application) -> Iterator[None]:
    """An event loop in a thread of its own, for everything of `app` that waits. It is started when something does."""
    import asyncio

    loop: asyncio.AbstractEventLoop
    try:
        import uvloop
    except ImportError:
        loop = asyncio.new_event_loop()
    else:
        loop = uvloop.new_event_loop()
    app.loop = loop
    thread = threading.Thread(target=_run, args=(loop,), name="mcpkit-loop", daemon=True)
    thread.start()
    try:
        yield
    finally:

        async def end() -> None:
            app.quit()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            if others:
                await asyncio.wait(others, timeout=LOOP_END_SECONDS)
            loop.stop()

        asyncio.run_coroutine_threadsafe(end(), loop)
        thread.join(2 * LOOP_END_SECONDS)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()


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
