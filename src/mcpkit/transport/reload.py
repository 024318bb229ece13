"""A running server takes over a configuration that has changed, as a whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from mcpkit.application import Application, Offer
from mcpkit.config import Config, Limits

log = logging.getLogger("mcpkit.reload")

POLL_SECONDS = 1.0

State = tuple[int, int, int] | None


class Settings(NamedTuple):
    """A configuration that was read."""

    config: Config
    limits: Limits
    files: Sequence[Path]
    """What it was read from, to be watched from now on."""
    origins: Mapping[str, str] = {}
    """Where each key that is set stands."""


class Reloader:
    """Watches the files of a configuration and puts what they say in force."""

    def __init__(
        self,
        app: Application,
        read: Callable[[], Settings],
        files: Sequence[Path],
        applied: Callable[[Config], object] | None = None,
    ) -> None:
        """`read` reads everything anew and raises what is wrong; `applied` is told of what came into force."""
        self._app = app
        self._read = read
        self._applied = applied
        self._seen = {path: _state(path) for path in files}
        self._asked = asyncio.Event()

    def ask(self) -> None:
        """Reload soon, changed or not. On the loop's own thread."""
        self._asked.set()

    async def watch(self) -> None:
        """Reload when asked, and when a file changes, until cancelled. On the application's loop."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._asked.wait(), POLL_SECONDS)
            asked = self._asked.is_set()
            self._asked.clear()
            if self._changed() or asked:
                await self.reload()

    async def reload(self) -> bool:
        """Put in force what the files say now. Where that is wrong, the log says why and the old stays in force."""
        try:
            # Compiling takes its time; calls go on meanwhile.
            settings, offer = await asyncio.to_thread(self._prepare)
            self._app.replace(offer)
        except Exception as error:
            log.error(
                "the configuration was not reloaded, what was in force stays in force: %s",
                error,
                exc_info=log.isEnabledFor(logging.DEBUG),
            )
            return False
        self._seen = {path: self._seen.get(path, _state(path)) for path in settings.files}
        if self._applied is not None:
            self._applied(settings.config)
        log.info("the configuration was reloaded: %d tools", len(self._app.tools))
        return True

    def _prepare(self) -> tuple[Settings, Offer]:
        settings = self._read()
        return settings, self._app.prepare(settings.config, settings.limits, settings.origins)

    def _changed(self) -> bool:
        """Whether a file is another than when it was last looked at. One that is gone is waited for."""
        changed = False
        for path, before in self._seen.items():
            now = _state(path)
            if now == before:
                continue
            self._seen[path] = now
            if now is None:
                log.warning("%s is gone; what was in force stays in force until it is there again", path)
            else:
                changed = True
        return changed


def _state(path: Path) -> State:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
