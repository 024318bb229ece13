"""From the core's questions to answers: which are given at once, which run on an event loop, who may be cancelled."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import msgspec

from mcpkit.core.rpc import scan
from mcpkit.core.serve import ACCEPTED, ERROR, RESULT, Channel, Exchange, Server
from mcpkit.mcp import envelope
from mcpkit.mcp.dispatcher import Dispatcher, Reply, Request, internal_error
from mcpkit.mcp.errors import INVALID_REQUEST, McpError
from mcpkit.mcp.legacy import LegacyLink, Session
from mcpkit.mcp.lifecycle import Opening
from mcpkit.mcp.link import InputRequired, dump
from mcpkit.mcp.modern import ROUNDS, ModernLink
from mcpkit.mcp.sealed import Sealer
from mcpkit.security import Denied, refusal

log = logging.getLogger("mcpkit.mcp")

Answer = tuple[int, int, bytes | None, tuple[str, bytes | None] | None, bytes | None, bytes | None]
"""For the core: kind, HTTP status, payload, revision and id of a session to open, raw id to cancel, headers."""

CANCELLED = McpError(0, "request cancelled")
"""What the official SDKs answer a cancelled request with, where HTTP demands an answer."""
MAX_SESSIONS = 10_000

Key = tuple[object, bytes]
"""A request in flight: its session or connection, and its raw id."""


_raw_list = msgspec.json.Decoder(list[msgspec.Raw])
"""Takes a batch apart and leaves each message as it was written."""


class Runner:
    """Answers the core's questions for one server. Everything that waits runs on `loop`."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        *,
        sealer: Sealer | None = None,
        identify: Callable[[int], str] | None = None,
    ) -> None:
        """`identify`: the identity that a caller's number stands for, the same in every process."""
        self.dispatcher = dispatcher
        self._identify = identify
        self.sealer = sealer or Sealer()
        self.loop: asyncio.AbstractEventLoop | None = None
        """Where handlers run; None while the server has nothing that waits."""
        self.start_loop: Callable[[], object] | None = None
        """Sets `loop`, where a transport has none until one is needed."""
        self.session_ended: Callable[[str], object] | None = None
        """Told the id of a session over HTTP that is over, on the loop."""
        self._sessions: dict[object, Session] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}

    def sessions(self) -> Iterator[Session]:
        """The legacy sessions there are."""
        return iter(list(self._sessions.values()))

    def ask(self, exchange: Exchange) -> Answer | None:
        """The answer, or None when it comes later. Never raises."""
        match exchange.kind:
            case "request" | "notification":
                return self._message(exchange)
            case "response":
                session = self._sessions.get(_home(exchange))
                if session is not None and exchange.message is not None:
                    self._on_loop(session.answered, exchange.message)
            case "stream":
                return self._listen(exchange)
            case "end":
                session = self._sessions.pop(_home(exchange), None)
                if session is not None:
                    self._on_loop(self._end, session)
                return ACCEPTED, 200, None, None, None, None
            case "batch":
                return self._later(exchange, self._batch)
        return ACCEPTED, 202, None, None, None, None

    def forget(self, alive: Callable[[str], bool]) -> None:
        """Drop the sessions over HTTP that the core no longer knows, once nothing runs or streams for them.

        On the loop, from time to time.
        """
        busy = {home for home, _ in self._running}
        for home, session in list(self._sessions.items()):
            if isinstance(home, str) and home not in busy and session.stream is None and not alive(home):
                del self._sessions[home]
                self._end(session)

    def _end(self, session: Session) -> None:
        session.close()
        if session.id is not None and self.session_ended is not None:
            self.session_ended(session.id)

    def close(self) -> None:
        """Cancel what runs, end what streams."""
        for task in list(self._running.values()):
            task.cancel()
        for session in list(self._sessions.values()):
            session.close()
        self._sessions.clear()

    def _on_loop(self, job: Callable[..., object], *args: object) -> None:
        if self.loop is None:
            job(*args)
        else:
            self.loop.call_soon_threadsafe(job, *args)

    def _message(self, exchange: Exchange) -> Answer | None:
        request = Request(
            era=exchange.era,
            revision=exchange.revision,
            method=exchange.method or "",
            id=exchange.id,
            params=exchange.params,
            transport=exchange.transport,
            session=exchange.session,
        )
        reply = self.dispatcher.handle(request)
        if reply.later:
            return self._later(exchange, self._request)
        if reply.cancel_request_id is not None:
            self._cancel(_home(exchange), reply.cancel_request_id)
        opened = self._open(exchange, reply.opens) if reply.opens is not None else None
        return _answer(reply, opened)

    def _open(self, exchange: Exchange, opening: Opening) -> tuple[str, bytes | None]:
        """Remember a legacy client; over HTTP under a name of its own."""
        name = secrets.token_hex(16) if exchange.transport == "http" else None
        session = Session(name, opening.revision, opening.client_capabilities, exchange.principal)
        home: object = name
        if name is None:
            home = exchange.peer
            session.outlet = _outlet(exchange.peer)
        while len(self._sessions) >= MAX_SESSIONS:
            oldest = next(iter(self._sessions))
            self._on_loop(self._end, self._sessions.pop(oldest))
        self._sessions[home] = session
        return opening.revision, name.encode() if name else None

    def _session(self, exchange: Exchange) -> Session:
        """The session of a legacy message; the core has checked that there is one."""
        home = _home(exchange)
        session = self._sessions.get(home)
        if session is None:
            session = self._sessions[home] = Session(exchange.session, exchange.revision, {}, exchange.principal)
        return session

    def _listen(self, exchange: Exchange) -> Answer | None:
        if self.loop is None:
            return ACCEPTED, 405, None, None, None, b"allow: POST, DELETE"
        last = exchange.header("last-event-id")
        if self._session(exchange).listen(exchange, last[0].decode("latin-1") if last else None):
            return None
        error = McpError(INVALID_REQUEST, "this session has a stream open already")
        return ERROR, 409, envelope.error_object(error), None, None, None

    def _cancel(self, home: object, request_id: bytes) -> None:
        """On the loop, where the call may just be about to be started."""
        self._on_loop(self._cancel_running, (home, request_id))

    def _cancel_running(self, key: Key) -> None:
        task = self._running.get(key)
        if task is not None:
            task.cancel()

    def _later(self, exchange: Exchange, run: Callable[[Exchange], Coroutine[Any, Any, None]]) -> Answer | None:
        if self.loop is None and self.start_loop is not None:
            self.start_loop()
        if self.loop is None:
            failure = internal_error()
            log.error("%s needs an event loop, and this server runs without one", exchange.method)
            return ERROR, failure.status(exchange.era), envelope.error_object(failure), None, None, None
        self._on_loop(self._start, exchange, run)
        return None

    def _start(self, exchange: Exchange, run: Callable[[Exchange], Coroutine[Any, Any, None]]) -> None:
        assert self.loop is not None
        key = (_home(exchange), exchange.id or b"")
        task = self.loop.create_task(run(exchange))
        self._running[key] = task

        def over(done: asyncio.Task[None]) -> None:
            if self._running.get(key) is done:
                del self._running[key]

        task.add_done_callback(over)
        if exchange.era == "modern":

            def gone() -> None:
                task.cancel()

            exchange.on_gone = gone

    async def _request(self, exchange: Exchange) -> None:
        try:
            answer = await (self._modern(exchange) if exchange.era == "modern" else self._legacy(exchange))
        except asyncio.CancelledError:
            if exchange.transport == "http":
                exchange.reply((ERROR, 200, envelope.error_object(CANCELLED), None, None, None))
            else:
                exchange.end()
            return
        except Denied as denied:
            # Only HTTP has a status and headers; elsewhere the refusal is an answer like any other.
            answer = refusal(denied) if exchange.transport == "http" else _denied(denied)
        except Exception:
            log.exception("no answer to %s", exchange.method)
            failure = internal_error()
            answer = ERROR, failure.status(exchange.era), envelope.error_object(failure), None, None, None
        if answer is not None:
            exchange.reply(answer)

    async def _modern(self, exchange: Exchange) -> Answer:
        params = _params(exchange)
        assert exchange.method is not None
        assert exchange.id is not None
        try:
            if exchange.method == "tools/call" and exchange.transport == "http":
                self.dispatcher.check_headers(params, exchange.header)
            link = ModernLink(
                exchange,
                self.sealer,
                revision=exchange.revision,
                transport=exchange.transport,
                method=exchange.method,
                request_id=exchange.id,
                params=params,
                principal=exchange.principal,
                owner=self._identify(exchange.principal) if self._identify is not None else "",
            )
            try:
                payload = await self._served(exchange.method, params, link)
            except InputRequired as needed:
                if exchange.method not in ROUNDS:
                    raise internal_error() from None
                members = self.dispatcher.info.complete(link.input_required(needed))
                payload = dump({**members, "resultType": "input_required"})
        except McpError as error:
            return ERROR, error.status("modern"), envelope.error_object(error), None, None, None
        return RESULT, 200, payload, None, None, None

    async def _legacy(self, exchange: Exchange) -> Answer | None:
        """The answer, or None when it went out on a stream that other messages went on before it."""
        session = self._session(exchange)
        params = _params(exchange)
        assert exchange.method is not None
        assert exchange.id is not None
        stream = session.open_stream(exchange, numbered=exchange.transport == "http")
        exchange.on_gone = stream.lose
        link = LegacyLink(
            session,
            stream,
            transport=exchange.transport,
            request_id=exchange.id,
            params=params,
            principal=exchange.principal,
        )
        try:
            answer = RESULT, 200, await self._served(exchange.method, params, link), None, None, None
        except McpError as error:
            answer = ERROR, error.status("legacy"), envelope.error_object(error), None, None, None
        if not stream.begun:
            return answer
        payload = answer[2]
        assert payload is not None
        member = b"result" if answer[0] == RESULT else b"error"
        stream.send(b'{"jsonrpc":"2.0","id":' + exchange.id + b',"' + member + b'":' + payload + b"}")
        stream.finish()
        return None

    async def _served(self, method: str, params: dict[str, Any], link: ModernLink | LegacyLink) -> bytes:
        try:
            return await self.dispatcher.serve(method, params, link)
        except (McpError, Denied, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("no answer to %s", method)
            raise internal_error() from None

    async def _batch(self, exchange: Exchange) -> None:
        """Revision 2025-03-26: several messages in one array; the answers come back in one array too."""
        session = self._session(exchange)
        messages = _raw_list.decode(exchange.message or b"[]")
        answers = await asyncio.gather(*(self._of_batch(bytes(m), session, exchange) for m in messages))
        said = [answer for answer in answers if answer is not None]
        if said:
            body = b"[" + b",".join(said) + b"]"
            if exchange.transport == "http":
                exchange.reply((ACCEPTED, 200, body, None, None, None))
                return
            exchange.send(body)
            exchange.end()
        else:
            exchange.reply((ACCEPTED, 202, None, None, None, None))

    async def _of_batch(self, message: bytes, session: Session, exchange: Exchange) -> bytes | None:
        """The whole answer to one message of a batch, None where it wants none."""
        read = scan(message)
        if read.kind == "response":
            session.answered(message)
            return None
        if read.kind not in {"request", "notification"} or read.method is None:
            why = read.reason or "not a message"
            return envelope.error(read.id, McpError(INVALID_REQUEST, f"Invalid request: {why}"))
        request = Request(
            era="legacy",
            revision=session.revision,
            method=read.method,
            id=read.id,
            params=read.params,
            transport=exchange.transport,
            session=session.id,
        )
        if read.method == "initialize":
            return envelope.error(read.id, McpError(INVALID_REQUEST, "initialize must not be part of a batch"))
        reply = self.dispatcher.handle(request)
        if reply.cancel_request_id is not None:
            self._cancel(_home(exchange), reply.cancel_request_id)
        if read.id is None:
            return None
        if reply.error is not None:
            return envelope.error(read.id, reply.error)
        if not reply.later:
            return envelope.response(read.id, reply.result or b"{}")
        params = msgspec.json.decode(read.params) if read.params else {}
        stream = session.open_stream(_Mute(), numbered=False)
        link = LegacyLink(
            session,
            stream,
            transport=exchange.transport,
            request_id=read.id,
            params=params,
            principal=exchange.principal,
        )
        try:
            return envelope.response(read.id, await self._served(read.method, params, link))
        except McpError as error:
            return envelope.error(read.id, error)
        except Denied as denied:
            return envelope.error(read.id, McpError(INVALID_REQUEST, denied.message))


class _Mute:
    """What goes with a batch's answers but is none itself has nowhere to go."""

    on_gone: Callable[[], None] | None = None

    def send(self, message: bytes, event_id: str | None = None) -> bool:
        return False

    def raw(self, text: bytes) -> bool:
        return False

    def end(self) -> None:
        pass


def _home(exchange: Exchange) -> object:
    """What a request id is unique in: the session, or the connection where that is the session."""
    return exchange.session if exchange.session is not None else exchange.peer


def _outlet(peer: object) -> Callable[[bytes], object]:
    """How unrequested messages reach a client whose connection is its session."""
    if isinstance(peer, Server):
        return peer.post
    if isinstance(peer, Channel):
        return peer.send
    return lambda message: False


def _params(exchange: Exchange) -> dict[str, Any]:
    # msgspec, because an argument may be an integer of any size.
    params: dict[str, Any] = msgspec.json.decode(exchange.params) if exchange.params else {}
    return params


def _answer(reply: Reply, opened: tuple[str, bytes | None] | None) -> Answer:
    if reply.error is not None:
        return ERROR, reply.http_status, envelope.error_object(reply.error), None, None, None
    if reply.result is not None:
        return RESULT, reply.http_status, reply.result, opened, None, None
    return ACCEPTED, reply.http_status, None, None, reply.cancel_request_id, None


def _denied(denied: Denied) -> Answer:
    return ERROR, 200, envelope.error_object(McpError(INVALID_REQUEST, denied.message)), None, None, None
