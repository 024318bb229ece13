"""Clients of tasks, and tools that run as one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import pytest

from mcpkit.config import Tasks as TasksConfig
from mcpkit.mcp import tasks
from mcpkit.mcp.errors import McpError
from mcpkit.mcp.link import ELICIT, Asks, InputRequired, Link
from mcpkit.mcp.revisions import Era
from mcpkit.mcp.task_service import Begin, Tasks
from mcpkit.mcp.task_store import open_store

KNOWS_TASKS: dict[str, Any] = {"elicitation": {}, "sampling": {}, "extensions": {tasks.EXTENSION: {}}}
RELATED = "io.modelcontextprotocol/related-task"
TEXT = {"content": [{"type": "text", "text": "done"}]}
YES = {"action": "accept", "content": {"sure": True}}
FORM = {"mode": "form", "message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}
START = 1_800_000_000_000
ENDED = ("completed", "failed", "cancelled")

Handler = Callable[[Link], Awaitable[dict[str, Any]]]


class Client:
    """One client: a link whose far end is this test."""

    request_id = b"1"
    progress_token: str | int | None = None
    log_level: str | None = "info"
    trace: ClassVar[dict[str, str]] = {}

    def __init__(
        self,
        era: Era,
        *,
        session: str | None = None,
        principal: int = 0,
        transport: str = "http",
        capabilities: dict[str, Any] = KNOWS_TASKS,
    ) -> None:
        self.era = era
        self.revision = "2025-11-25" if era == "legacy" else "2026-07-28"
        self.session = session
        self.principal = principal
        self.transport = transport
        self.capabilities = capabilities
        self.state: dict[str, Any] = {}
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.asked: asyncio.Queue[tuple[str, dict[str, Any], asyncio.Future[dict[str, Any]]]] = asyncio.Queue()
        self.withdrawn = 0
        self.answers: dict[str, dict[str, Any]] = {}
        """Modern: what the retry of a call brings."""

    def notify(self, method: str, params: dict[str, Any]) -> None:
        self.told.append((method, params))

    async def ask(self, method: str, params: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        if self.era == "modern":
            name = key or "question"
            return (await self.ask_all({name: (method, params)}))[name]
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.asked.put_nowait((method, params, answer))
        try:
            return await answer
        except asyncio.CancelledError:
            self.withdrawn += 1
            raise

    async def ask_all(self, asks: Asks) -> dict[str, dict[str, Any]]:
        missing = {key: ask for key, ask in asks.items() if key not in self.answers}
        if missing:
            raise InputRequired(missing)
        return {key: self.answers[key] for key in asks}


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def legacy(session: str | None = "s1", **options: Any) -> Client:
    return Client("legacy", session=session, **options)


def modern(**options: Any) -> Client:
    return Client("modern", **options)


@asynccontextmanager
async def serving(clock: Callable[[], float] | None = None, **config: Any) -> AsyncIterator[Tasks]:
    bounds = TasksConfig(**config)
    store = open_store(bounds)
    service = Tasks(store, bounds, identify=lambda number: f"user-{number}", **({"clock": clock} if clock else {}))
    try:
        yield service
    finally:
        await service.close()


def run(test: Coroutine[Any, Any, None]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(20):
            await test

    asyncio.run(bounded())


async def call(
    service: Tasks, client: Client, handler: Handler, *, ttl: Any = None, begin: Begin = "at once"
) -> dict[str, Any]:
    """A tools/call that becomes a task; the answer as JSON brings it."""
    params: dict[str, Any] = {"name": "job", "arguments": {}}
    if client.era == "legacy":
        params["task"] = {} if ttl is None else {"ttl": ttl}
    return as_json(await service.create("job", params, client, handler, begin=begin))


async def started(service: Tasks, client: Client, handler: Handler, **options: Any) -> str:
    """The id of a new task."""
    answer = await call(service, client, handler, **options)
    task_id = answer["task"]["taskId"] if client.era == "legacy" else answer["taskId"]
    assert isinstance(task_id, str)
    return task_id


async def ask(service: Tasks, client: Client, method: str, **params: Any) -> dict[str, Any]:
    return as_json(await service.handle(method, params, client))


async def until(service: Tasks, client: Client, task_id: str, *statuses: str) -> dict[str, Any]:
    """Poll, as clients do."""
    while True:
        answer = await ask(service, client, "tasks/get", taskId=task_id)
        if answer["status"] in (statuses or ENDED):
            return answer
        await asyncio.sleep(0.001)


async def refused(answer: Awaitable[Any]) -> McpError:
    with pytest.raises(McpError) as error:
        await answer
    return error.value


def as_json(value: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(value))
    return read


async def quick(link: Link) -> dict[str, Any]:
    return TEXT


async def endless(link: Link) -> dict[str, Any]:
    await asyncio.Event().wait()
    return TEXT


async def confirm(link: Link) -> dict[str, Any]:
    answer = await link.ask(ELICIT, FORM)
    return {"content": [{"type": "text", "text": answer["action"]}]}


async def protocol_error(link: Link) -> dict[str, Any]:
    raise McpError(-32050, "out of paper", {"tray": 2})


async def tool_error(link: Link) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": "no such file"}], "isError": True}


async def crash(link: Link) -> dict[str, Any]:
    raise RuntimeError("secret")
