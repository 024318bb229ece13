"""The revisions before 2026-07-28: sessions, streams that can be taken up again, requests from the server."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import secrets
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from mcpkit.mcp.errors import INTERNAL_ERROR, INVALID_REQUEST, McpError
from mcpkit.mcp.link import CAPABILITY, Asks, dump, notification, trace_of
from mcpkit.mcp.revisions import Era

ANSWER_SECONDS = 600.0
"""How long a client may take to answer a request of the server's."""
MAX_ASKED = 64
"""Requests of the server's that may be open in one session."""
KEPT_BYTES = 1 << 20
"""Of one session's events, kept for a client that comes back."""
KEPT_STREAMS = 64
RETRY_MS = 500
PRIMED_FROM = "2025-11-25"
"""Since this revision a stream begins with an event that has an id and no data."""


class Sink(Protocol):
    """The HTTP answer (or line) that a stream writes to; `mcpkit.core.serve.Exchange` is one."""

    on_gone: Callable[[], None] | None

    def send(self, message: bytes, event_id: str | None = None) -> bool: ...
    def raw(self, text: bytes) -> bool: ...
    def end(self) -> None: ...


class Stream:
    """Messages to the client in order, kept for a while: a client that lost the connection goes on where it was."""

    def __init__(self, session: Session, name: str, sink: Sink | None, *, numbered: bool) -> None:
        self._session = session
        self.name = name
        self._sink = sink
        self._numbered = numbered
        self._count = 0
        self.begun = False
        self.done = False
        self.kept: deque[tuple[int, bytes]] = deque()

    def begin(self) -> None:
        """The priming event, where the client's revision has it."""
        if self.begun or not self._numbered:
            return
        self.begun = True
        if self._sink is not None and self._session.revision >= PRIMED_FROM:
            self._count += 1
            self._sink.raw(f"id: {self.name}-{self._count}\nretry: {RETRY_MS}\ndata: \n\n".encode())

    def send(self, message: bytes) -> bool:
        """One message. False: nobody is there and it is not kept either."""
        if not self._numbered:
            return self._sink is not None and self._sink.send(message)
        self.begin()
        self._count += 1
        self._session.keep(self, self._count, message)
        if self._sink is not None:
            self._sink.send(message, f"{self.name}-{self._count}")
        return True

    def lose(self) -> None:
        """The connection is gone; what follows is kept."""
        self._sink = None

    def let_go(self) -> None:
        """End the connection on purpose: the client is to come back for the rest."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.on_gone = None
            sink.end()

    def take_up(self, sink: Sink, after: int) -> None:
        """Go on over `sink` with what came after event number `after`."""
        self.let_go()
        for number, message in list(self.kept):
            if number > after:
                sink.send(message, f"{self.name}-{number}")
        if self.done:
            sink.end()
            return
        self._sink = sink
        self.begun = True
        sink.on_gone = self.lose

    def finish(self) -> None:
        """The last message has been sent."""
        self.done = True
        self.let_go()


class Session:
    """One legacy client: what it can do, what it listens to, what it was asked."""

    def __init__(self, name: str | None, revision: str, capabilities: dict[str, Any], principal: int = 0) -> None:
        self.id = name
        """None on transports where the connection is the session."""
        self.revision = revision
        self.capabilities = capabilities
        self.principal = principal
        self.log_level: str = "info"
        self.watched: set[str] = set()
        """URIs of resources whose changes it wants to hear of."""
        self.stream: Stream | None = None
        """The one that it opened itself, for what belongs to no request."""
        self.outlet: Callable[[bytes], object] | None = None
        """Where unrequested messages go on transports without streams."""
        self._numbers = itertools.count(1)
        self._asked: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._streams: dict[str, Stream] = {}
        self._kept_bytes = 0
        self._order: deque[tuple[Stream, int]] = deque()

    def open_stream(self, sink: Sink, *, numbered: bool) -> Stream:
        """The stream of one request."""
        stream = Stream(self, secrets.token_hex(6), sink, numbered=numbered)
        if numbered:
            self._streams[stream.name] = stream
            while len(self._streams) > KEPT_STREAMS:
                self._streams.pop(next(iter(self._streams)))
        return stream

    def keep(self, stream: Stream, number: int, message: bytes) -> None:
        stream.kept.append((number, message))
        self._order.append((stream, number))
        self._kept_bytes += len(message)
        while self._kept_bytes > KEPT_BYTES and self._order:
            oldest, _ = self._order.popleft()
            if oldest.kept:
                self._kept_bytes -= len(oldest.kept.popleft()[1])

    def listen(self, sink: Sink, last_event: str | None) -> bool:
        """A GET: open the session's own stream, or take up the one an event came from. False: there is one already."""
        if last_event:
            name, _, number = last_event.rpartition("-")
            stream = self._streams.get(name)
            if stream is not None and number.isdigit():
                stream.take_up(sink, int(number))
                return True
        if self.stream is not None:
            return False
        stream = self.stream = self.open_stream(sink, numbered=True)

        def gone() -> None:
            stream.lose()
            if self.stream is stream:
                self.stream = None

        sink.on_gone = gone
        stream.begin()
        sink.raw(b": listening\n\n")
        return True

    def tell(self, method: str, params: dict[str, Any]) -> None:
        """A notification that belongs to no request, if the client listens."""
        message = notification(method, params)
        if self.outlet is not None:
            self.outlet(message)
        elif self.stream is not None:
            self.stream.send(message)

    async def request(self, stream: Stream, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Ask the client over `stream`; its result, or McpError."""
        if len(self._asked) >= MAX_ASKED:
            raise McpError(INTERNAL_ERROR, f"{MAX_ASKED} requests to this client wait for their answers already")
        name = f"mcpkit-{next(self._numbers)}"
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._asked[name] = answer
        stream.send(dump({"jsonrpc": "2.0", "id": name, "method": method, "params": params}))
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await answer
        except TimeoutError:
            raise McpError(INTERNAL_ERROR, f"the client did not answer {method} in {ANSWER_SECONDS:g} s") from None
        except asyncio.CancelledError:
            stream.send(notification("notifications/cancelled", {"requestId": name, "reason": "no longer needed"}))
            raise
        finally:
            self._asked.pop(name, None)

    def answered(self, message: bytes) -> None:
        """A response from the client."""
        read = orjson.loads(message)
        waiting = self._asked.get(str(read.get("id")))
        if waiting is None or waiting.done():
            return
        error = read.get("error")
        if error is None:
            result = read.get("result")
            waiting.set_result(result if isinstance(result, dict) else {})
            return
        told = error.get("message") if isinstance(error, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        failure = McpError(code if isinstance(code, int) else INTERNAL_ERROR, str(told or "the client refused"))
        waiting.set_exception(failure)

    def close(self) -> None:
        """It is over: streams end, nobody waits for answers any more."""
        for waiting in list(self._asked.values()):
            waiting.cancel()
        for stream in [*self._streams.values()]:
            with contextlib.suppress(Exception):
                stream.finish()
        self._streams.clear()
        self.stream = None


class LegacyLink:
    """A legacy request's way back to its client."""

    era: Era = "legacy"

    def __init__(
        self,
        session: Session,
        stream: Stream,
        *,
        transport: str,
        request_id: bytes,
        params: dict[str, Any],
        principal: int = 0,
    ) -> None:
        meta = params.get("_meta")
        token = meta.get("progressToken") if isinstance(meta, dict) else None
        self.revision = session.revision
        self.transport = transport
        self.session = session.id
        self.principal = principal
        self.request_id = request_id
        self.capabilities = session.capabilities
        self.progress_token: str | int | None = token if isinstance(token, str | int) else None
        self.log_level: str | None = session.log_level
        self.trace = trace_of(meta)
        self.state: dict[str, Any] = {}
        self.owner = session
        self.stream = stream

    def notify(self, method: str, params: dict[str, Any]) -> None:
        self.stream.send(notification(method, params))

    async def ask(self, method: str, params: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        need = CAPABILITY[method]
        if need not in self.capabilities:
            raise McpError(INVALID_REQUEST, f"this client cannot be asked: it did not declare the capability {need}")
        return await self.owner.request(self.stream, method, params)

    async def ask_all(self, asks: Asks) -> dict[str, dict[str, Any]]:
        answers = await asyncio.gather(*(self.ask(method, params) for method, params in asks.values()))
        return dict(zip(asks, answers, strict=True))

    def let_go(self) -> None:
        """Close the connection in mid-call; the client comes back for the rest with Last-Event-ID."""
        self.stream.begin()
        self.stream.let_go()
