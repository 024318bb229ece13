"""A call of a WebAssembly tool that Python waits for, and what its client hears meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

import orjson

from mcpkit.core.serve import Server, Task
from mcpkit.core.wasm import CallResult, Tool
from mcpkit.mcp.errors import INTERNAL_ERROR, McpError
from mcpkit.mcp.link import Link, log_message, report_progress
from mcpkit.metering import live

INTERVAL_S = 0.1
"""Between two looks at a running call: at most ten reports a second."""
MAX_LINE = 8192
"""Bytes of one log message; longer lines are cut in pieces."""

Seen = tuple[int, float, bytes] | None


class GuestCall:
    """One call. It is started at once, by the thread that serves; `submit` has that thread call something."""

    def __init__(
        self,
        core: Server,
        submit: Callable[[Callable[[], object]], object],
        tool: Tool,
        arguments: bytes,
        era: Literal["legacy", "modern"],
        principal: int = 0,
        keep: Callable[[CallResult], None] | None = None,
    ) -> None:
        """`keep` is called with the result, what the guest was told included, by the thread that serves."""
        self._loop = asyncio.get_running_loop()
        self._submit = submit
        self._keep = keep
        self._outcome: asyncio.Future[bytes] = self._loop.create_future()
        self._task: Task | None = None
        self.noise = b""
        """All diagnostics, once it has ended."""

        def start() -> None:
            self._task = core.start(tool, arguments, era, self._done, principal, keep is not None)
            core.drain()

        submit(start)

    def _done(self, payload: bytes, failed: bool, noise: bytes, result: CallResult | None = None) -> None:
        if self._keep is not None and result is not None:
            self._keep(result)
        self._loop.call_soon_threadsafe(self._settle, payload, failed, noise)

    def _settle(self, payload: bytes, failed: bool, noise: bytes) -> None:
        self.noise = noise
        if self._outcome.done():
            return
        if failed:
            error = orjson.loads(payload)
            self._outcome.set_exception(McpError(error.get("code", INTERNAL_ERROR), error["message"]))
        else:
            self._outcome.set_result(payload)

    async def outcome(self) -> bytes:
        """The CallToolResult as JSON text, or McpError. Cancelling cancels the call."""
        try:
            return await self._outcome
        except asyncio.CancelledError:
            self._submit(lambda: self._task.cancel() if self._task is not None else None)
            raise

    @property
    def ended(self) -> bool:
        return self._outcome.done()

    async def look(self, start: int) -> Seen:
        """Units so far, rate, and diagnostics from byte `start` on; None: it is over."""
        seen: asyncio.Future[Seen] = self._loop.create_future()

        def settle(value: Seen) -> None:
            if not seen.done():
                seen.set_result(value)

        def look() -> None:
            value = self._task.look(start) if self._task is not None else None
            self._loop.call_soon_threadsafe(settle, value)

        self._submit(look)
        return await seen


class Reporter:
    """Tells the client of a running call: progress in compute units, and its diagnostics line by line."""

    def __init__(self, call: GuestCall, link: Link, tool: str, max_units: int) -> None:
        self._call = call
        self._link = link
        self._tool = tool
        self._max_units = max_units
        self._told = -1
        self._heard = 0
        self._rest = b""

    async def outcome(self) -> bytes:
        """The call's outcome, reports going out until then."""
        reports = asyncio.ensure_future(self._report())
        try:
            return await self._call.outcome()
        finally:
            reports.cancel()
            self._hear(self._call.noise[self._heard :] + b"\n")

    async def _report(self) -> None:
        while not self._call.ended:
            seen = await self._call.look(self._heard)
            if seen is not None:
                self._tell(*seen)
            await asyncio.sleep(INTERVAL_S)

    def _tell(self, units: int, rate: float, noise: bytes) -> None:
        self._hear(noise)
        if units > self._told and rate:
            self._told = units
            report_progress(self._link, units, self._max_units or None, live(units, rate))

    def _hear(self, noise: bytes) -> None:
        self._heard += len(noise)
        *lines, self._rest = (self._rest + noise).split(b"\n")
        if len(self._rest) > MAX_LINE:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            text = line[:MAX_LINE].decode("utf-8", "replace").rstrip()
            if text:
                log_message(self._link, "info", text, self._tool)
