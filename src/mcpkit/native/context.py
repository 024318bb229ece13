"""What a handler knows of its call, and what it may do to its client while it runs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from mcpkit.native.content import Content, Message, present
from mcpkit.native.errors import ArgumentError, ToolError
from mcpkit.native.link import Link
from mcpkit.native.requests import (
    Elicit,
    Elicited,
    ElicitUrl,
    InputRequest,
    InvalidAnswerError,
    ListRoots,
    Root,
    Sample,
    Sampled,
)

A = TypeVar("A")
T = TypeVar("T")

LogLevel = Literal["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"]
LEVELS: dict[str, int] = {
    level: rank
    for rank, level in enumerate(("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"))
}


class Context:
    """Given to every handler that has a parameter annotated with it.

    `progress` and the log methods may be called from any thread. What asks the client is awaited: in the modern era the
    handler is left at that point and **runs again from its start** when the client comes back with the answer, so what
    must not happen twice belongs behind the question, or into `state`.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._reported: float | None = None
        self._gone = threading.Event()
        self.refusal: Exception | None = None
        """What the link raised last: the protocol's own errors, which are no failures of the handler."""

    # --- facts ---

    @property
    def era(self) -> Literal["legacy", "modern"]:
        return self._link.era

    @property
    def revision(self) -> str:
        """Of the protocol, as spoken in this request."""
        return self._link.revision

    @property
    def transport(self) -> str:
        return self._link.transport

    @property
    def session_id(self) -> str | None:
        """None in the modern era, which has no sessions, and where the transport keeps none."""
        return self._link.session

    @property
    def request_id(self) -> bytes:
        """Raw JSON: a number, or a string in its quotes."""
        return self._link.request_id

    @property
    def principal(self) -> Any:
        """Who calls, where access is authorised."""
        return self._link.principal

    @property
    def client_capabilities(self) -> dict[str, Any]:
        return self._link.capabilities

    @property
    def trace(self) -> dict[str, str]:
        """W3C trace context of the request (``traceparent``, ``tracestate``, ``baggage``), to be passed on."""
        return self._link.trace

    @property
    def state(self) -> dict[str, Any]:
        """JSON values that a call keeps from one round of questions to the next. Clients cannot read or change them."""
        return self._link.state

    def client_supports(self, capability: str) -> bool:
        """Whether the client declared it: ``sampling``, ``elicitation.url``, …"""
        found: Any = self._link.capabilities
        for part in capability.split("."):
            if not isinstance(found, Mapping) or part not in found:
                return False
            found = found[part]
        return True

    @property
    def cancelled(self) -> bool:
        """True once nobody waits for the answer any more. Handlers that run in a thread look here now and then."""
        return self._gone.is_set()

    # --- telling ---

    def progress(self, done: float, total: float | None = None, message: str | None = None) -> None:
        """How far the call is. Ignored where the client did not ask, and where `done` is no more than it was."""
        token = self._link.progress_token
        if token is None or (self._reported is not None and done <= self._reported):
            return
        self._reported = done
        more = present(total=total, message=message if self._link.revision >= "2025-03-26" else None)
        self._notify("notifications/progress", {"progressToken": token, "progress": done, **more})

    def log(self, level: LogLevel, data: Any, logger: str | None = None) -> None:
        """Send a log message, if the client wants messages of this level. `data` is any JSON value.

        A modern client says with each request what it wants, and without that gets nothing; an older one that never
        said gets everything from ``info`` on.
        """
        if level not in LEVELS:
            raise ValueError(f"{level!r} is no log level; there are {', '.join(LEVELS)}")
        least = self._link.log_level or ("info" if self._link.era == "legacy" else None)
        if least is None or LEVELS[level] < LEVELS.get(least, 0):
            return
        self._notify("notifications/message", {"level": level, **present(logger=logger), "data": data})

    def debug(self, data: Any, logger: str | None = None) -> None:
        self.log("debug", data, logger)

    def info(self, data: Any, logger: str | None = None) -> None:
        self.log("info", data, logger)

    def notice(self, data: Any, logger: str | None = None) -> None:
        self.log("notice", data, logger)

    def warning(self, data: Any, logger: str | None = None) -> None:
        self.log("warning", data, logger)

    def error(self, data: Any, logger: str | None = None) -> None:
        self.log("error", data, logger)

    async def begin_task(self, message: str | None = None) -> None:
        """Go on in the background: the client gets a task as its answer now, and comes for the result later.

        For tools whose task begins ``by the tool``. Nothing changes where the call is a task already, or cannot become
        one. `message` is the task's first status message.
        """
        begin: Callable[[str | None], Awaitable[object]] | None = getattr(self._link, "begin_task", None)
        if begin is not None:
            await begin(message)

    def let_go(self) -> None:
        """Close the answer's stream in mid-call, so that nobody holds a connection open while nothing happens.

        The client comes back for the rest. Where streams cannot be resumed (the modern era, stdio) nothing happens.
        """
        let_go = getattr(self._link, "let_go", None)
        if let_go is not None:
            self._soon(let_go)

    # --- asking ---

    async def elicit(self, message: str, schema: type[T] | dict[str, Any], *, key: str | None = None) -> Elicited[T]:
        """Ask a person to fill a form; see `Elicit`. `key` names the question in the modern era."""
        return await self.ask(Elicit(message, schema), key=key)

    async def elicit_url(
        self, message: str, url: str, elicitation_id: str | None = None, *, key: str | None = None
    ) -> Elicited[None]:
        """Ask a person to open an address; the answer only says whether they agreed to."""
        return await self.ask(ElicitUrl(message, url, elicitation_id), key=key)

    async def sample(
        self,
        messages: str | Content | Message | Sequence[str | Content | Message | dict[str, Any]],
        max_tokens: int,
        *,
        key: str | None = None,
        **options: Any,
    ) -> Sampled:
        """Ask the client's model; `options` are those of `Sample`."""
        return await self.ask(Sample(messages, max_tokens, **options), key=key)

    async def list_roots(self, *, key: str | None = None) -> list[Root]:
        """The folders that the client works on."""
        return await self.ask(ListRoots(), key=key)

    async def ask(self, request: InputRequest[A], *, key: str | None = None) -> A:
        """Ask one question."""
        try:
            answer = await self._link.ask(request.method, request.params(), key=key)
        except Exception as error:
            self._refused(error)
            raise
        return self._parse(request, answer)

    async def inputs(self, requests: Mapping[str, InputRequest[Any]]) -> dict[str, Any]:
        """Ask several questions at once; their answers under the same keys."""
        asked = {key: (request.method, request.params()) for key, request in requests.items()}
        try:
            answers = await self._link.ask_all(asked)
        except Exception as error:
            self._refused(error)
            raise
        return {key: self._parse(request, answers[key]) for key, request in requests.items()}

    def wait(self, question: Awaitable[A]) -> A:
        """Wait for one of the above in a handler that runs in a thread: ``ctx.wait(ctx.list_roots())``."""
        if threading.get_ident() == self._thread:
            raise RuntimeError("wait is for handlers that run in a thread; await the question instead")
        return asyncio.run_coroutine_threadsafe(_awaited(question), self._loop).result()

    # --- inside ---

    def abandon(self) -> None:
        """Note that nobody waits any more."""
        self._gone.set()

    def _refused(self, error: Exception) -> None:
        """In the older eras a client that will not answer makes a failed call; in the modern one a protocol error."""
        if self._link.era == "legacy":
            raise ToolError(str(error)) from error
        self.refusal = error

    def _parse(self, request: InputRequest[A], answer: dict[str, Any]) -> A:
        try:
            return request.parse(answer)
        except InvalidAnswerError as error:
            if self._link.era == "legacy":
                raise ToolError(str(error)) from None
            self.refusal = ArgumentError(f"Invalid params: inputResponses: {error}")
            raise self.refusal from None

    def _notify(self, method: str, params: dict[str, Any]) -> None:
        self._soon(self._link.notify, method, params)

    def _soon(self, act: Callable[..., object], *arguments: object) -> None:
        """On the loop's thread, which is the only one that may touch the link."""
        if threading.get_ident() == self._thread:
            act(*arguments)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(act, *arguments)


async def _awaited(question: Awaitable[A]) -> A:
    return await question
