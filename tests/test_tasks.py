"""Calls that go on after their request was answered: tasks of 2025-11-25 and of the extension since 2026-07-28."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcpkit.mcp import methods, tasks
from mcpkit.mcp.errors import INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CLIENT_CAPABILITY, McpError
from mcpkit.mcp.link import ELICIT, ROOTS, SAMPLE, InputRequired, Link, log_message, report_progress
from mcpkit.mcp.task_link import TaskLink
from mcpkit.mcp.tools import describe
from mcpkit.native.tool import NativeTool
from task_clients import (
    FORM,
    RELATED,
    TEXT,
    YES,
    Client,
    Clock,
    ask,
    call,
    confirm,
    crash,
    endless,
    legacy,
    modern,
    protocol_error,
    quick,
    refused,
    run,
    serving,
    started,
    tool_error,
    until,
)

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


def test_a_modern_client_gets_a_task_wherever_it_can_take_one() -> None:  # N07
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


def test_the_list_says_which_tools_may_be_tasks() -> None:
    tool = NativeTool(lambda: "done", name="job", task_support="optional")
    assert describe(tool, "legacy")["execution"] == {"taskSupport": "optional"}
    assert "execution" not in describe(tool, "modern")
    assert "execution" not in describe(NativeTool(lambda: "done", name="plain"), "legacy")


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
