"""Calls that go on after their request was answered: tasks of 2025-11-25 and of the extension since 2026-07-28."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from mcpkit.config import Tasks as TasksConfig
from mcpkit.config import loads
from mcpkit.mcp import methods, tasks
from mcpkit.mcp.errors import INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CLIENT_CAPABILITY, McpError
from mcpkit.mcp.link import ELICIT, ROOTS, SAMPLE, Asks, InputRequired, Link, log_message, report_progress
from mcpkit.mcp.revisions import Era
from mcpkit.mcp.task_link import TaskLink
from mcpkit.mcp.task_service import Begin, Tasks
from mcpkit.mcp.task_store import StorageError, open_store

KNOWS_TASKS: dict[str, Any] = {"elicitation": {}, "sampling": {}, "extensions": {tasks.EXTENSION: {}}}
RELATED = "io.modelcontextprotocol/related-task"
TEXT = {"content": [{"type": "text", "text": "done"}]}
YES = {"action": "accept", "content": {"sure": True}}
FORM = {"mode": "form", "message": "Sure?", "requestedSchema": {"type": "object", "properties": {}}}
ENDED = ("completed", "failed", "cancelled")

Handler = Callable[[Link], Awaitable[dict[str, Any]]]


class Client:
    """One client: a link whose far end is this test."""

    request_id = b"1"
    progress_token: str | int | None = None
    log_level: str | None = "info"

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


def legacy(session: str | None = "s1", **options: Any) -> Client:
    return Client("legacy", session=session, **options)


def modern(**options: Any) -> Client:
    return Client("modern", **options)


@asynccontextmanager
async def serving(clock: Callable[[], float] | None = None, **config: Any) -> AsyncIterator[Tasks]:
    settings = TasksConfig(**config)
    store = open_store(settings)
    service = Tasks(store, settings, identify=lambda number: f"user-{number}", **({"clock": clock} if clock else {}))
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


# Who gets a task


def test_a_legacy_client_asks_for_a_task_and_the_tool_may_refuse_or_insist() -> None:  # N07
    plain, augmented = {"name": "job"}, {"name": "job", "task": {"ttl": 1}}
    assert tasks.wants("legacy", augmented, {}, "optional")
    assert tasks.wants("legacy", augmented, {}, "required")
    assert not tasks.wants("legacy", plain, {}, "optional")
    assert not tasks.wants("legacy", plain, {}, "forbidden")
    for params, support in ((augmented, "forbidden"), (plain, "required")):
        with pytest.raises(McpError, match="'job'") as error:
            tasks.wants("legacy", params, {}, support)  # type: ignore[arg-type]
        assert error.value.code == METHOD_NOT_FOUND
    # Revisions that have no tasks pass over what they do not know.
    assert not tasks.wants("legacy", augmented, {}, "optional", "2025-06-18")
    assert not tasks.wants("legacy", augmented, {}, "forbidden", "2025-06-18")


def test_a_modern_client_gets_a_task_wherever_it_can_take_one() -> None:  # N06
    knows: dict[str, Any] = {"extensions": {tasks.EXTENSION: {}}}
    for params in ({"name": "job"}, {"name": "job", "task": {"ttl": 5}}):
        assert tasks.wants("modern", params, knows, "optional")
        assert tasks.wants("modern", params, knows, "required")
        assert not tasks.wants("modern", params, knows, "forbidden")
        assert not tasks.wants("modern", params, {"extensions": {}}, "optional")
        with pytest.raises(McpError) as error:
            tasks.wants("modern", params, {}, "required")
        assert error.value.code == MISSING_CLIENT_CAPABILITY
        assert error.value.data == {"requiredCapabilities": knows}
        assert error.value.status("modern") == 400


def test_capabilities_name_what_the_methods_depend_on() -> None:
    assert tasks.capability("legacy") == {"tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}}}
    assert tasks.capability("modern") == {"extensions": {tasks.EXTENSION: {}}}
    for revision, names in (
        ("2025-11-25", ["get", "result", "list", "cancel"]),
        ("2026-07-28", ["get", "update", "cancel"]),
    ):
        for name in names:
            assert methods.require(f"tasks/{name}", revision, tasks.OFFERED)
    for revision, gone in (("2025-11-25", "update"), ("2026-07-28", "result"), ("2026-07-28", "list")):
        with pytest.raises(McpError) as error:
            methods.require(f"tasks/{gone}", revision, tasks.OFFERED)
        assert error.value.code == METHOD_NOT_FOUND
    assert tasks.execution("forbidden") is None
    assert tasks.execution("required") == {"taskSupport": "required"}


# The life of a task


@pytest.mark.parametrize("durable", [False, True])
def test_a_modern_task_from_its_creation_to_its_result(durable: bool, tmp_path: Path) -> None:
    async def test() -> None:
        go_on = asyncio.Event()

        async def slow(link: Link) -> dict[str, Any]:
            await go_on.wait()
            return {"content": [], "structuredContent": {"n": 1}}

        async with serving(store=tmp_path / "tasks.db" if durable else None) as service:
            client = modern()
            created = await call(service, client, slow)
            assert created["resultType"] == "task"
            assert created["status"] == "working"
            assert (created["ttlMs"], created["pollIntervalMs"]) == (3_600_000, 1000)
            assert {"task", "ttl", "pollInterval", "requestState", "result", "error"}.isdisjoint(created)
            assert created["createdAt"].endswith("Z")
            polled = await ask(service, client, "tasks/get", taskId=created["taskId"])
            assert polled == {key: value for key, value in created.items() if key != "resultType"}
            go_on.set()
            done = await until(service, client, created["taskId"])
            assert done["status"] == "completed"
            assert done["result"] == {"resultType": "complete", "content": [], "structuredContent": {"n": 1}}
            assert "error" not in done

    run(test())


@pytest.mark.parametrize("durable", [False, True])
def test_a_legacy_task_from_its_creation_to_its_result(durable: bool, tmp_path: Path) -> None:
    async def test() -> None:
        go_on = asyncio.Event()

        async def slow(link: Link) -> dict[str, Any]:
            await go_on.wait()
            return {**TEXT, "_meta": {"own": 1}}

        async with serving(store=tmp_path / "tasks.db" if durable else None) as service:
            client = legacy()
            created = await call(service, client, slow, ttl=60_000)
            assert set(created) == {"task"}
            assert created["task"]["status"] == "working"
            assert (created["task"]["ttl"], created["task"]["pollInterval"]) == (60_000, 1000)
            task_id = created["task"]["taskId"]
            assert await ask(service, client, "tasks/get", taskId=task_id) == created["task"]
            waiting = asyncio.create_task(ask(service, client, "tasks/result", taskId=task_id))
            await asyncio.sleep(0.01)
            assert not waiting.done()
            go_on.set()
            result = await waiting
            assert result == {**TEXT, "_meta": {"own": 1, RELATED: {"taskId": task_id}}}
            assert await ask(service, client, "tasks/result", taskId=task_id) == result
            assert (await ask(service, client, "tasks/get", taskId=task_id))["status"] == "completed"

    run(test())


@pytest.mark.parametrize(("asked", "granted"), [(None, 3_600_000), (0, 1000), (1500.7, 1500), (10**12, 86_400_000)])
def test_the_time_to_live_is_what_the_client_asks_within_bounds(asked: Any, granted: int) -> None:
    async def test() -> None:
        async with serving() as service:
            created = await call(service, legacy(), quick, ttl=asked)
            assert created["task"]["ttl"] == granted

    run(test())


@pytest.mark.parametrize("task", [None, [], "x", {"ttl": -1}, {"ttl": "60"}, {"ttl": True}, {"ttl": 1e300}])
def test_a_task_parameter_of_the_wrong_shape_is_refused(task: Any) -> None:
    async def test() -> None:
        async with serving() as service:
            error = await refused(service.create("job", {"name": "job", "task": task}, legacy(), quick))
            assert error.code == INVALID_PARAMS

    run(test())


def test_a_failing_tool_is_a_completed_task_today_and_was_a_failed_one_before() -> None:
    async def test() -> None:
        async with serving() as service:
            client = modern()
            done = await until(service, client, await started(service, client, tool_error))
            assert done["status"] == "completed"
            assert done["result"]["isError"] is True
            old = legacy()
            task_id = await started(service, old, tool_error)
            done = await until(service, old, task_id)
            assert (done["status"], done["statusMessage"]) == ("failed", "no such file")
            assert (await ask(service, old, "tasks/result", taskId=task_id))["isError"] is True

    run(test())


def test_a_protocol_error_comes_back_as_it_was() -> None:
    async def test() -> None:
        async with serving() as service:
            client = modern()
            done = await until(service, client, await started(service, client, protocol_error))
            assert done["status"] == "failed"
            assert done["statusMessage"] == "out of paper"
            assert done["error"] == {"code": -32050, "message": "out of paper", "data": {"tray": 2}}
            assert "result" not in done
            old = legacy()
            error = await refused(ask(service, old, "tasks/result", taskId=await started(service, old, protocol_error)))
            assert (error.code, error.message, error.data) == (-32050, "out of paper", {"tray": 2})

    run(test())


def test_what_goes_wrong_inside_stays_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def unwritable(link: Link) -> dict[str, Any]:
        return {"content": [object()]}

    async def test() -> None:
        async with serving() as service:
            client = modern()
            done = await until(service, client, await started(service, client, crash))
            assert done["status"] == "failed"
            assert done["error"]["code"] == -32603
            assert "secret" not in json.dumps(done)
            assert "secret" in caplog.text
            done = await until(service, client, await started(service, client, unwritable))
            assert done["error"]["message"] == "the tool's result cannot be written as JSON"

    run(test())


# Cancelling


def test_a_cancelled_modern_task_stays_cancelled() -> None:
    async def stubborn(link: Link) -> dict[str, Any]:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return TEXT
        raise AssertionError

    async def test() -> None:
        async with serving() as service:
            client = modern()
            for handler in (endless, stubborn, confirm):
                task_id = await started(service, client, handler)
                await asyncio.sleep(0)
                assert await ask(service, client, "tasks/cancel", taskId=task_id) == {}
                done = await until(service, client, task_id)
                assert done["status"] == "cancelled"
                assert {"result", "error", "inputRequests"}.isdisjoint(done)
                await asyncio.sleep(0.01)
                assert (await until(service, client, task_id))["status"] == "cancelled"
                assert await ask(service, client, "tasks/cancel", taskId=task_id) == {}
            finished = await started(service, client, quick)
            assert (await until(service, client, finished))["status"] == "completed"
            assert await ask(service, client, "tasks/cancel", taskId=finished) == {}
            assert (await until(service, client, finished))["status"] == "completed"

    run(test())


def test_cancelling_a_legacy_task_answers_with_the_task_once() -> None:
    async def test() -> None:
        async with serving() as service:
            client = legacy()
            task_id = await started(service, client, endless)
            waiting = asyncio.create_task(ask(service, client, "tasks/result", taskId=task_id))
            await asyncio.sleep(0.01)
            answer = await ask(service, client, "tasks/cancel", taskId=task_id)
            assert (answer["taskId"], answer["status"]) == (task_id, "cancelled")
            assert "cancelled" in (await refused(waiting)).message
            again = await refused(ask(service, client, "tasks/cancel", taskId=task_id))
            assert again.code == INVALID_PARAMS
            assert "cancelled already" in again.message

    run(test())


# Questions to the client


def test_a_modern_task_waits_for_tasks_update() -> None:
    async def two(link: Link) -> dict[str, Any]:
        answers = await link.ask_all({"a": (ELICIT, FORM), "b": (SAMPLE, {"messages": []})})
        more = await link.ask(ELICIT, FORM, key="a")
        return {"content": [], "structuredContent": {"all": answers, "more": more}}

    async def test() -> None:
        async with serving() as service:
            client = modern()
            task_id = await started(service, client, two)
            waiting = await until(service, client, task_id, "input_required")
            assert waiting["inputRequests"] == {
                "a": {"method": ELICIT, "params": FORM},
                "b": {"method": SAMPLE, "params": {"messages": []}},
            }
            assert "requestState" not in waiting
            stray = {"never asked": {}, "a": YES}
            assert await ask(service, client, "tasks/update", taskId=task_id, inputResponses=stray) == {}
            partly = await ask(service, client, "tasks/get", taskId=task_id)
            assert partly["status"] == "input_required"
            assert list(partly["inputRequests"]) == ["b"]
            said = {"role": "assistant", "content": {"type": "text", "text": "hm"}, "model": "m"}
            await ask(service, client, "tasks/update", taskId=task_id, inputResponses={"a": YES, "b": said})
            # A key never means two questions, though the handler chose the same one.
            waiting = await until(service, client, task_id, "input_required")
            assert list(waiting["inputRequests"]) == ["a-2"]
            await ask(service, client, "tasks/update", taskId=task_id, inputResponses={"a-2": {"action": "decline"}})
            done = await until(service, client, task_id)
            assert done["result"]["structuredContent"] == {
                "all": {"a": YES, "b": said},
                "more": {"action": "decline"},
            }
            assert await ask(service, client, "tasks/update", taskId=task_id, inputResponses={"a": YES}) == {}

    run(test())


@pytest.mark.parametrize("responses", [None, [], {"elicitation-1": 3}, {"elicitation-1": {"action": "maybe"}}])
def test_answers_of_the_wrong_shape_are_refused_and_the_task_still_waits(responses: Any) -> None:
    async def test() -> None:
        async with serving() as service:
            client = modern()
            task_id = await started(service, client, confirm)
            await until(service, client, task_id, "input_required")
            error = await refused(ask(service, client, "tasks/update", taskId=task_id, inputResponses=responses))
            assert error.code == INVALID_PARAMS
            waiting = await ask(service, client, "tasks/get", taskId=task_id)
            assert list(waiting["inputRequests"]) == ["elicitation-1"]

    run(test())


def test_a_legacy_task_asks_on_the_stream_of_tasks_result() -> None:
    async def test() -> None:
        async with serving() as service:
            client, stream = legacy(), legacy()
            task_id = await started(service, client, confirm)
            await until(service, client, task_id, "input_required")
            waiting = asyncio.create_task(ask(service, stream, "tasks/result", taskId=task_id))
            method, params, answer = await stream.asked.get()
            assert method == ELICIT
            assert params == {**FORM, "_meta": {RELATED: {"taskId": task_id}}}
            answer.set_result(YES)
            assert (await waiting)["content"][0]["text"] == "accept"
            assert client.asked.empty()

    run(test())


def test_a_question_whose_stream_was_lost_is_asked_again_on_the_next() -> None:
    async def test() -> None:
        async with serving() as service:
            lost, dead, alive = legacy(), legacy(), legacy()
            task_id = await started(service, legacy(), confirm)
            # One client gives up waiting; another one's connection dies without a word.
            first = asyncio.create_task(ask(service, lost, "tasks/result", taskId=task_id))
            await lost.asked.get()
            first.cancel()
            second = asyncio.create_task(ask(service, dead, "tasks/result", taskId=task_id))
            await dead.asked.get()
            assert lost.withdrawn == 1
            third = asyncio.create_task(ask(service, alive, "tasks/result", taskId=task_id))
            _, _, answer = await alive.asked.get()
            answer.set_result(YES)
            assert await third == await second
            assert dead.withdrawn == 1

    run(test())


def test_a_refusal_of_the_client_reaches_the_handler() -> None:
    async def test() -> None:
        async with serving() as service:
            client = legacy()
            task_id = await started(service, client, confirm)
            waiting = asyncio.create_task(ask(service, client, "tasks/result", taskId=task_id))
            _, _, answer = await client.asked.get()
            answer.set_exception(McpError(-1, "User rejected"))
            assert (await refused(waiting)).code == -1

    run(test())


@pytest.mark.parametrize("client", [legacy, modern])
def test_only_what_the_client_can_do_is_asked(client: Callable[..., Client]) -> None:
    async def roots(link: Link) -> dict[str, Any]:
        return await link.ask(ROOTS, {})

    async def test() -> None:
        async with serving() as service:
            one = client()
            task_id = await started(service, one, roots)
            done = await until(service, one, task_id)
            assert done["status"] == "failed"
            if one.era == "modern":
                assert done["error"]["code"] == MISSING_CLIENT_CAPABILITY
                assert done["error"]["data"] == {"requiredCapabilities": {"roots": {}}}
            else:
                assert "roots" in done["statusMessage"]

    run(test())


def test_a_tool_may_ask_before_it_becomes_a_task() -> None:
    async def ask_first(link: Link) -> dict[str, Any]:
        answer = await link.ask(ELICIT, FORM, key="user_name")
        assert isinstance(link, TaskLink)
        task_id = await link.begin_task("On it")
        assert await link.begin_task() == task_id
        later = await link.ask(ELICIT, FORM)
        return {"content": [], "structuredContent": {"first": answer, "later": later}}

    async def test() -> None:
        async with serving() as service:
            client = modern()
            with pytest.raises(InputRequired) as needed:
                await call(service, client, ask_first, begin="by the tool")
            assert list(needed.value.asks) == ["user_name"]
            client.answers = {"user_name": YES}
            created = await call(service, client, ask_first, begin="by the tool")
            assert (created["resultType"], created["statusMessage"]) == ("task", "On it")
            await until(service, client, created["taskId"], "input_required")
            responses = {"elicitation-1": {"action": "cancel"}}
            await ask(service, client, "tasks/update", taskId=created["taskId"], inputResponses=responses)
            done = await until(service, client, created["taskId"])
            assert done["result"]["structuredContent"] == {"first": YES, "later": {"action": "cancel"}}
            # A call that never gets so far is an ordinary call.
            assert await call(service, client, quick, begin="by the tool") == TEXT
            assert (await refused(call(service, client, protocol_error, begin="by the tool"))).code == -32050

    run(test())


def test_who_goes_away_before_the_task_has_begun_takes_the_call_along() -> None:
    async def test() -> None:
        stopped = asyncio.Event()

        async def waits(link: Link) -> dict[str, Any]:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
            return TEXT

        async with serving(max_tasks=1) as service:
            calling = asyncio.create_task(call(service, modern(), waits, begin="by the tool"))
            await asyncio.sleep(0.01)
            calling.cancel()
            await asyncio.wait([calling])
            assert stopped.is_set()
            assert await started(service, modern(), quick)

    run(test())


# What a running task says


def test_progress_is_the_status_message_and_travels_on_a_waiting_stream() -> None:
    async def test() -> None:
        go_on = asyncio.Event()

        async def talks(link: Link) -> dict[str, Any]:
            report_progress(link, 1, 4)
            await go_on.wait()
            report_progress(link, 2, 4, "half of it")
            log_message(link, "info", "still here")
            await link.ask(ELICIT, FORM)
            return TEXT

        async with serving() as service:
            client = modern()
            client.progress_token = "p"
            task_id = await started(service, client, talks)
            await asyncio.sleep(0)
            assert (await ask(service, client, "tasks/get", taskId=task_id))["statusMessage"] == "1 of 4"

            caller, stream = legacy(), legacy()
            caller.progress_token = 7
            old_id = await started(service, caller, talks)
            waiting = asyncio.create_task(ask(service, stream, "tasks/result", taskId=old_id))
            await asyncio.sleep(0.01)
            go_on.set()
            _, _, answer = await stream.asked.get()
            related = {"_meta": {RELATED: {"taskId": old_id}}}
            half = {"progressToken": 7, "progress": 2, "total": 4, "message": "half of it"}
            assert stream.told == [
                ("notifications/progress", half | related),
                ("notifications/message", {"level": "info", "data": "still here"} | related),
            ]
            assert (await ask(service, caller, "tasks/get", taskId=old_id))["statusMessage"] == "half of it"
            answer.set_result(YES)
            await waiting
            # The extension has neither progress nor log messages on tasks.
            assert (await until(service, client, task_id, "input_required"))["statusMessage"] == "half of it"
            assert client.told == caller.told == []

    run(test())


def test_changes_of_the_status_are_told_to_those_who_may_know() -> None:
    async def test() -> None:
        heard: list[tuple[str, str | None, str, list[str]]] = []

        def listen(method: str, task_id: str, session: str | None, params: dict[str, Any]) -> None:
            assert params["taskId"] == task_id
            extra: list[str] = [key for key in ("inputRequests", "result", "error") if key in params]
            heard.append((method, session, str(params["status"]), extra))

        async with serving() as service:
            service.changed.append(listen)
            client = modern()
            task_id = await started(service, client, confirm)
            await until(service, client, task_id, "input_required")
            await ask(service, client, "tasks/update", taskId=task_id, inputResponses={"elicitation-1": YES})
            await until(service, client, task_id)
            assert heard == [
                ("notifications/tasks", None, "input_required", ["inputRequests"]),
                ("notifications/tasks", None, "working", []),
                ("notifications/tasks", None, "completed", ["result"]),
            ]
            heard.clear()
            old = legacy()
            await until(service, old, await started(service, old, tool_error))
            assert heard == [("notifications/tasks/status", "s1", "failed", [])]

            mine = modern(principal=1)
            own = await started(service, mine, endless)
            assert service.visible([own, task_id, "unknown", own], mine) == [own]
            assert service.visible([own, task_id], client) == [task_id]
            assert service.visible([], modern(capabilities={})) == []
            with pytest.raises(McpError) as error:
                service.visible([own], modern(capabilities={}))
            assert error.value.code == MISSING_CLIENT_CAPABILITY

    run(test())


# Whose task it is


def test_modern_methods_are_for_clients_that_know_the_extension() -> None:
    async def test() -> None:
        async with serving() as service:
            task_id = await started(service, modern(), quick)
            for method in ("tasks/get", "tasks/update", "tasks/cancel"):
                error = await refused(ask(service, modern(capabilities={}), method, taskId=task_id, inputResponses={}))
                assert error.code == MISSING_CLIENT_CAPABILITY
                assert error.data == {"requiredCapabilities": {"extensions": {tasks.EXTENSION: {}}}}

    run(test())


@pytest.mark.parametrize(
    ("owner", "others"),
    [
        (modern(principal=1), [modern(principal=2), modern(), modern(transport="stdio")]),
        (legacy("s1"), [legacy("s2"), legacy("s1", principal=1), legacy(None)]),
        (legacy(None, transport="stdio"), [legacy("s1"), legacy(None, transport="websocket")]),
        (modern(), [modern(principal=1), modern(transport="stdio")]),
    ],
)
def test_others_do_not_find_a_task(owner: Client, others: list[Client]) -> None:
    async def test() -> None:
        async with serving() as service:
            task_id = await started(service, owner, endless)
            assert (await ask(service, owner, "tasks/get", taskId=task_id))["status"] == "working"
            names = ["get", "update", "cancel"] if owner.era == "modern" else ["get", "result", "cancel"]
            for other in others:
                for name in names:
                    params: dict[str, Any] = {"inputResponses": {}} if name == "update" else {}
                    unknown = await refused(ask(service, other, f"tasks/{name}", taskId="none", **params))
                    foreign = await refused(ask(service, other, f"tasks/{name}", taskId=task_id, **params))
                    assert unknown.code == foreign.code == INVALID_PARAMS
                    assert foreign.message.replace(task_id, "none") == unknown.message
            assert (await ask(service, owner, "tasks/get", taskId=task_id))["status"] == "working"

    run(test())


def test_a_caller_finds_a_task_again_in_another_session() -> None:
    async def test() -> None:
        async with serving() as service:
            task_id = await started(service, legacy("s1", principal=3), quick)
            service.forget_session("s1")
            assert (await until(service, legacy("s2", principal=3), task_id))["status"] == "completed"

    run(test())


def test_ids_cannot_be_guessed() -> None:
    async def test() -> None:
        async with serving() as service:
            ids = [await started(service, modern(), quick) for _ in range(50)]
            assert len(set(ids)) == 50
            assert all(len(task_id) >= 32 for task_id in ids)
            assert len({task_id[:4] for task_id in ids}) > 40

    run(test())


def test_lists_are_the_clients_own_page_by_page() -> None:
    async def test() -> None:
        async with serving(max_tasks_per_client=300) as service:
            mine = [await started(service, legacy("s1"), quick) for _ in range(205)]
            await started(service, legacy("s2"), quick)
            await started(service, modern(), quick)
            listed: list[str] = []
            cursor: dict[str, str] = {}
            pages = 0
            while True:
                page = await ask(service, legacy("s1"), "tasks/list", **cursor)
                listed += [task["taskId"] for task in page["tasks"]]
                pages += 1
                if "nextCursor" not in page:
                    break
                cursor = {"cursor": page["nextCursor"]}
            assert (listed, pages) == (mine, 3)
            assert len((await ask(service, legacy("s2"), "tasks/list"))["tasks"]) == 1
            assert await ask(service, legacy("s3"), "tasks/list") == {"tasks": []}
            # A client that nothing tells apart from others has no list.
            assert await ask(service, legacy(None), "tasks/list") == {"tasks": []}
            for wrong in ("x", "t", "t-1", "t" + "9" * 30):
                assert (await refused(ask(service, legacy(), "tasks/list", cursor=wrong))).code == INVALID_PARAMS

    run(test())


# Bounds


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_tasks_live_as_long_as_they_were_promised_and_no_longer() -> None:
    async def test() -> None:
        clock = Clock()
        stopped = asyncio.Event()

        async def runs(link: Link) -> dict[str, Any]:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
            return TEXT

        async with serving(clock) as service:
            client = legacy()
            done, running = (
                await started(service, client, quick, ttl=5000),
                await started(service, client, runs, ttl=5000),
            )
            waiting = asyncio.create_task(ask(service, client, "tasks/result", taskId=running))
            clock.now += 4.999
            assert (await until(service, client, done))["status"] == "completed"
            clock.now += 0.001
            for task_id in (done, running):
                error = await refused(ask(service, client, "tasks/get", taskId=task_id))
                assert (error.code, "expired" in error.message) == (INVALID_PARAMS, True)
            assert (await refused(waiting)).code == INVALID_PARAMS
            await stopped.wait()
            assert await ask(service, client, "tasks/list") == {"tasks": []}

    run(test())


def test_expired_tasks_are_stopped_though_nobody_asks() -> None:
    async def test() -> None:
        stopped = asyncio.Event()

        async def runs(link: Link) -> dict[str, Any]:
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()
            return TEXT

        async with serving() as service:
            await started(service, legacy(), runs, ttl=0)
            await stopped.wait()

    run(test())


def test_the_number_of_tasks_is_bounded_per_client_and_in_all() -> None:
    async def test() -> None:
        async with serving(max_tasks_per_client=2, max_tasks=4) as service:
            one, two, three = legacy("s1"), legacy("s2"), modern()
            first = await started(service, one, endless)
            await started(service, one, endless)
            error = await refused(call(service, one, quick))
            assert "tasks.max_tasks_per_client" in error.message
            await started(service, two, quick)
            # Without anything to tell clients apart only the number in all counts.
            await started(service, three, quick)
            assert "(tasks.max_tasks)" in (await refused(call(service, three, quick))).message
            # What was cancelled makes room.
            await ask(service, one, "tasks/cancel", taskId=first)
            assert await started(service, one, quick)
            assert (await refused(ask(service, one, "tasks/get", taskId=first))).code == INVALID_PARAMS

    run(test())


@pytest.mark.parametrize("durable", [False, True])
def test_the_size_of_results_is_bounded(durable: bool, tmp_path: Path) -> None:
    async def large(link: Link) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": "x" * 700}]}

    async def test() -> None:
        config: dict[str, Any] = {"store": tmp_path / "tasks.db"} if durable else {}
        async with serving(max_result_size=800, max_total_size=2000, **config) as service:
            client = legacy()
            ids = [await started(service, client, large) for _ in range(3)]
            statuses = [(await until(service, client, task_id))["status"] for task_id in ids]
            assert statuses == ["completed", "completed", "failed"]
            error = await refused(ask(service, client, "tasks/result", taskId=ids[2]))
            assert "2000 bytes" in error.message
        async with serving(max_result_size=600) as service:
            done = await until(service, client, await started(service, client, large))
            assert "tasks.max_result_size" in done["statusMessage"]

    run(test())


def test_the_tasks_of_a_session_end_with_it() -> None:
    async def test() -> None:
        async with serving(max_tasks=40, max_tasks_per_client=4) as service:
            for i in range(200):
                client = legacy(f"s{i}")
                task_id = await started(service, client, endless)
                await started(service, client, quick)
                service.forget_session(f"s{i}")
                assert (await refused(ask(service, client, "tasks/get", taskId=task_id))).code == INVALID_PARAMS

    run(test())


# What survives the process

WORKER = """
import asyncio, sys
from pathlib import Path
from test_tasks import *

async def main():
    async with serving(store=Path(sys.argv[1])) as service:
        client = modern(principal=1)
        done = await started(service, client, quick)
        failed = await started(service, client, protocol_error)
        for task_id in (done, failed):
            await until(service, client, task_id)
        stays = await started(service, client, confirm)
        print(done, failed, stays, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_store_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    paths = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", WORKER, str(path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths}
    ) as worker:
        assert worker.stdout is not None
        done, failed, stays = worker.stdout.readline().split()
        with pytest.raises(StorageError, match="another process uses this file"):
            open_store(TasksConfig(store=path))
        worker.send_signal(signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)

    async def test() -> None:
        client = modern(principal=1)
        for _ in range(2):  # what was found at the first start is still so at the next
            async with serving(store=path) as service:
                found = await ask(service, client, "tasks/get", taskId=done)
                assert found["status"] == "completed"
                assert found["result"]["content"] == TEXT["content"]
                found = await ask(service, client, "tasks/get", taskId=failed)
                assert found["error"]["data"] == {"tray": 2}
                found = await ask(service, client, "tasks/get", taskId=stays)
                assert found["status"] == "failed"
                assert "the server stopped while the task was running" in found["error"]["message"]
                assert found["statusMessage"] == found["error"]["message"]
                assert (
                    await refused(ask(service, modern(principal=2), "tasks/get", taskId=done))
                ).code == INVALID_PARAMS

    run(test())


def test_a_server_that_is_stopped_leaves_failed_tasks_and_deletes_expired_ones(tmp_path: Path) -> None:
    async def test() -> None:
        path, client, clock = tmp_path / "tasks.db", legacy(principal=1), Clock()
        async with serving(clock, store=path) as service:
            running = await started(service, client, endless)
            short = await started(service, client, quick, ttl=2000)
            await until(service, client, short)
            service.sweep()
            waiting = asyncio.create_task(ask(service, client, "tasks/result", taskId=running))
            await asyncio.sleep(0.01)
        assert "stopping" in (await refused(waiting)).message
        async with serving(clock, store=path) as service:
            listed = (await ask(service, client, "tasks/list"))["tasks"]
            # The real clock is behind this one: nothing has expired by it when the file is opened.
            assert [(task["taskId"], task["status"]) for task in listed] == [(running, "failed"), (short, "completed")]
            clock.now += 3
            listed = (await ask(service, client, "tasks/list"))["tasks"]
            assert [task["taskId"] for task in listed] == [running]
            # Numbers go on where they were.
            await started(service, client, quick)
        with sqlite3.connect(path) as connection:
            assert connection.execute("SELECT count(*) FROM task").fetchone() == (2,)
        connection.close()

    run(test())


def test_expired_tasks_are_deleted_when_the_file_is_opened(tmp_path: Path) -> None:
    async def test() -> None:
        clock = Clock()
        clock.now = 1_000_000_000.0
        path = tmp_path / "tasks.db"
        async with serving(clock, store=path) as service:
            await started(service, legacy(), quick)
        async with serving(clock, store=path) as service:
            assert await ask(service, legacy(), "tasks/list") == {"tasks": []}

    run(test())


def test_callers_are_not_mixed_up_after_a_restart_when_their_names_are_unknown(tmp_path: Path) -> None:
    async def test() -> None:
        config = TasksConfig(store=tmp_path / "tasks.db")
        service = Tasks(open_store(config), config)
        task_id = await started(service, modern(principal=1), quick)
        assert (await until(service, modern(principal=1), task_id))["status"] == "completed"
        await service.close()
        service = Tasks(open_store(config), config)
        error = await refused(ask(service, modern(principal=1), "tasks/get", taskId=task_id))
        assert error.code == INVALID_PARAMS
        await service.close()

    run(test())


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps permissions elsewhere")
def test_the_file_is_the_users_own(tmp_path: Path) -> None:
    def files() -> dict[str, int]:
        return {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}

    async def test() -> None:
        async with serving(store=tmp_path / "tasks.db") as service:
            await started(service, legacy(), quick)
            modes.update(files())

    modes: dict[str, int] = {}
    run(test())
    assert modes["tasks.db"] == modes["tasks.db-wal"] == 0o600


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text", "is not a database"),
        ("foreign", "another program"),
        ("later", "has format 99"),
        ("folder", "cannot be opened"),
        ("nowhere", "cannot be opened"),
        ("damaged", "move it away"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    content: Literal["text", "foreign", "later", "folder", "nowhere", "damaged"], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "tasks.db"
    match content:
        case "text":
            path.write_text("hello, this is not a database " * 100)
        case "folder":
            path.mkdir()
        case "nowhere":
            path = tmp_path / "no" / "tasks.db"
        case _:
            connection = sqlite3.connect(path)
            connection.execute("CREATE TABLE other (x)")
            if content != "foreign":
                connection.execute("PRAGMA application_id = 1835232116")
                connection.execute(f"PRAGMA user_version = {99 if content == 'later' else 1}")
            connection.close()
    with pytest.raises(StorageError, match=message) as error:
        open_store(TasksConfig(store=path))
    assert str(path) in str(error.value)


def test_many_tasks_at_once_share_commits_and_all_of_them_are_kept(tmp_path: Path) -> None:
    async def test() -> None:
        path, client = tmp_path / "tasks.db", modern()
        async with serving(store=path) as service:
            ids = await asyncio.gather(*(started(service, client, quick) for _ in range(300)))
            for task_id in ids:
                await until(service, client, task_id)
        async with serving(store=path) as service:
            for task_id in ids:
                assert (await ask(service, client, "tasks/get", taskId=task_id))["status"] == "completed"

    run(test())


def test_the_settings_are_read_from_a_configuration(tmp_path: Path) -> None:  # A32
    config = loads(
        "tasks: {store: t.db, default_ttl: 5m, max_ttl: 2h, poll_interval: 250ms, max_tasks: 7, max_result_size: 1Mi}",
        folder=tmp_path,
    )
    assert config.tasks.store == tmp_path / "t.db"
    assert (config.tasks.default_ttl, config.tasks.max_ttl) == (300 * 10**9, 7200 * 10**9)
    assert (config.tasks.poll_interval, config.tasks.max_tasks) == (250_000_000, 7)
    assert (config.tasks.max_result_size, config.tasks.max_tasks_per_client) == (1 << 20, 100)
