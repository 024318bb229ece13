"""The link of a call that runs as a task: its client comes and goes."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from mcpkit.mcp.errors import INVALID_REQUEST, McpError, invalid_params, missing_capability
from mcpkit.mcp.link import CAPABILITY, ELICIT, ROOTS, Asks, Link
from mcpkit.mcp.task_view import related


class Keeper(Protocol):
    """Who keeps the tasks."""

    async def begin(self, link: TaskLink, message: str | None) -> str:
        """Make the task; its id."""

    def heard(self, link: TaskLink, method: str, params: dict[str, Any]) -> None:
        """The handler has something to tell."""

    def questions_changed(self, link: TaskLink) -> None:
        """The handler waits for other answers than before, or for none."""


class Question:
    """Something that the handler wants to know from the client."""

    def __init__(self, key: str, method: str, params: dict[str, Any]) -> None:
        self.key = key
        self.method = method
        self.params = params
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.courier: Link | None = None
        """Legacy: the request on whose stream the client was asked last."""


class TaskLink:
    """Stands for the client while a handler runs.

    Before the task has begun everything goes to the request's own link. From then on questions wait for
    ``tasks/update`` (modern), or for a ``tasks/result`` whose stream they can travel on (legacy).
    """

    def __init__(self, front: Link, keeper: Keeper, tool: str, ttl_ms: int | None) -> None:
        self.era = front.era
        self.revision = front.revision
        self.transport = front.transport
        self.session = front.session
        self.principal = front.principal
        self.capabilities = front.capabilities
        self.request_id = front.request_id
        self.progress_token = front.progress_token
        self.log_level = front.log_level
        self.state = front.state
        self.trace = front.trace
        self.tool = tool
        self.ttl_ms = ttl_ms
        """Asked for by the client."""
        self.task_id: str | None = None
        """None until the task has begun."""
        self.began: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.client_token = front.progress_token
        self.questions: dict[str, Question] = {}
        self.over = False
        """The task is finished."""
        self._front: Link | None = front
        self._keeper = keeper
        self._used: set[str] = set()
        self._asked = 0
        self._couriers: list[Link] = []
        self._news = asyncio.Event()

    async def begin_task(self, message: str | None = None) -> str:
        """Go on as a task from here: the client gets its answer now, and polls. The task's id.

        Calling it in a task that has begun changes nothing. `message` is shown as the task's first status message.
        """
        if self.task_id is None:
            self.task_id = await self._keeper.begin(self, message)
            self._front = None
            # Progress becomes the task's status message, so handlers may report it without a token of the client's.
            self.progress_token = self.task_id
            if self.era == "modern":
                self.log_level = None
            self.began.set_result(None)
        return self.task_id

    def notify(self, method: str, params: dict[str, Any]) -> None:
        if self._front is not None:
            self._front.notify(method, params)
        else:
            self._keeper.heard(self, method, params)

    async def ask(self, method: str, params: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        if self._front is not None:
            return await self._front.ask(method, params, key=key)
        self._asked += 1
        name = key or f"{CAPABILITY[method]}-{self._asked}"
        return (await self.ask_all({name: (method, params)}))[name]

    async def ask_all(self, asks: Asks) -> dict[str, dict[str, Any]]:
        if self._front is not None:
            return await self._front.ask_all(asks)
        lacking: dict[str, Any] = {
            CAPABILITY[method]: {} for method, _ in asks.values() if CAPABILITY[method] not in self.capabilities
        }
        if lacking:
            raise _cannot_be_asked(self, lacking)
        opened = {key: Question(self._unused(key), method, params) for key, (method, params) in asks.items()}
        self.questions |= {question.key: question for question in opened.values()}
        self._changed()
        try:
            answers = await asyncio.gather(*(question.answer for question in opened.values()))
        finally:
            for question in opened.values():
                self.questions.pop(question.key, None)
                question.answer.cancel()
            self._changed()
        return dict(zip(opened, answers, strict=True))

    def _unused(self, key: str) -> str:
        """A key that this task has not used yet: none may ever mean two questions."""
        name, again = key, 1
        while name in self._used:
            again += 1
            name = f"{key}-{again}"
        self._used.add(name)
        return name

    def _changed(self) -> None:
        if not self.over:
            self._keeper.questions_changed(self)
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    def finish(self) -> None:
        """The task is over: nobody waits any more."""
        self.over = True
        for question in list(self.questions.values()):
            question.answer.cancel()
        self._wake()

    # Modern: the answers come with tasks/update.

    def requests(self) -> dict[str, Any]:
        """``inputRequests``: what has not been answered yet."""
        return {
            question.key: {"method": question.method, "params": question.params}
            for question in self.questions.values()
            if not question.answer.done()
        }

    def update(self, responses: dict[str, dict[str, Any]]) -> None:
        """Answers by key. Those that nobody waits for are passed over.

        One that does not fit its question is -32602, and none of them counts.
        """
        fitting: list[tuple[Question, dict[str, Any]]] = []
        for key, answer in responses.items():
            question = self.questions.get(key)
            if question is None or question.answer.done():
                continue
            fault = _misfit(question.method, answer)
            if fault:
                raise invalid_params(f"inputResponses.{key[:64]} is no answer to {question.method}: {fault}")
            fitting.append((question, answer))
        for question, answer in fitting:
            self._settle(question, answer)

    def _settle(self, question: Question, answer: dict[str, Any]) -> None:
        if question.answer.done():
            return
        question.answer.set_result(answer)
        self.questions.pop(question.key, None)
        self._changed()

    # Legacy: the questions travel on the stream of a tasks/result that waits.

    @property
    def courier(self) -> Link | None:
        """The request on whose stream messages of this task may travel."""
        return self._couriers[-1] if self._couriers else None

    async def deliver(self, courier: Link) -> None:
        """Ask the client over `courier` whatever the handler asks, until the task is finished.

        Of several that wait the newest asks: what the older ones asked in vain (their connection may be gone) it
        asks again.
        """
        carried: set[asyncio.Task[None]] = set()
        self._couriers.append(courier)
        try:
            while not self.over:
                if self.courier is courier:
                    for question in self.questions.values():
                        if question.courier is not courier:
                            question.courier = courier
                            carrying = asyncio.create_task(self._carry(question, courier))
                            carried.add(carrying)
                            carrying.add_done_callback(carried.discard)
                await self._news.wait()
        finally:
            self._couriers.remove(courier)
            for question in self.questions.values():
                if question.courier is courier:
                    question.courier = None
            for carrying in list(carried):
                carrying.cancel()
            self._wake()

    async def _carry(self, question: Question, courier: Link) -> None:
        assert self.task_id is not None
        asking = asyncio.ensure_future(courier.ask(question.method, related(question.params, self.task_id)))
        try:
            # Whoever brings the answer first: the other courier's question is withdrawn.
            await asyncio.wait([asking, question.answer], return_when=asyncio.FIRST_COMPLETED)
            if question.answer.done() or asking.cancelled():
                return
            error = asking.exception()
            if error is None:
                self._settle(question, asking.result())
            else:
                question.answer.set_exception(error)
                self._changed()
        finally:
            asking.cancel()


def _cannot_be_asked(link: TaskLink, lacking: dict[str, Any]) -> McpError:
    if link.era == "modern":
        return missing_capability(lacking)
    names = ", ".join(sorted(lacking))
    return McpError(INVALID_REQUEST, f"this client cannot be asked: it did not declare the capability {names}")


def _misfit(method: str, answer: dict[str, Any]) -> str | None:
    """What a result of `method` must have and this one has not."""
    if method == ELICIT:
        fits = answer.get("action") in {"accept", "decline", "cancel"}
        return None if fits else "action must be accept, decline or cancel"
    if method == ROOTS:
        return None if isinstance(answer.get("roots"), list) else "roots must be a list"
    return None if "content" in answer and isinstance(answer.get("role"), str) else "role and content are needed"
