"""Where tasks are kept: in memory, or in a file that outlives the process."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpkit.config import Tasks as TasksConfig
from mcpkit.config import loads
from mcpkit.mcp.errors import INVALID_PARAMS
from mcpkit.mcp.task_service import Tasks
from mcpkit.mcp.task_store import MemoryTaskStore, StorageError, TaskRecord, TaskStore, open_store
from mcpkit.storage import open_tasks
from task_clients import (
    START,
    TEXT,
    Clock,
    ask,
    endless,
    legacy,
    modern,
    quick,
    refused,
    run,
    serving,
    started,
    until,
)

# What survives the process

WORKER = """
import asyncio, sys
from pathlib import Path
from task_clients import *

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


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from task_clients import *

async def large(link):
    return {"content": [{"type": "text", "text": "x" * 100_000}]}

async def main():
    async with serving(store=Path(sys.argv[1])) as service:
        client = modern()
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
        done = await until(service, client, await started(service, client, large))
        print(done["status"], len(done["result"]["content"][0]["text"]))
        for _ in range(100):
            try:
                await started(service, client, quick)
            except McpError as error:
                print(error.message)
                break

asyncio.run(main())
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of files")
def test_a_disk_that_is_full_costs_new_tasks_and_no_results(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / "tasks.db")]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.splitlines() == [
        "completed 100000",
        "the task could not be stored; the server's log has the details",
    ]
    assert "is kept in memory only" in done.stderr


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


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "finish", "remove", "expire", "reopen"]),
        st.integers(0, 5),
        st.sampled_from(["", "a", "b"]),
        st.binary(max_size=20),
    ),
    max_size=30,
)


@settings(max_examples=25, deadline=None)
@given(STEPS)
def test_a_file_keeps_what_memory_keeps(steps: list[tuple[str, int, str, bytes]]) -> None:
    def record(name: str, owner: str, age: int) -> TaskRecord:
        return TaskRecord(
            id=name,
            owner=owner,
            era="modern",
            tool="job",
            status="working",
            created_ms=START,
            updated_ms=START,
            ttl_ms=1000 + age,
        )

    def seen(store: TaskStore) -> list[Any]:
        # All but the number, which may be given again after a restart when the last task is gone.
        pages = [[msgspec.structs.astuple(task)[:-1] for task in store.page(owner, 0, 99)] for owner in ("", "a", "b")]
        return [pages, store.total, store.total_bytes, store.count("a")]

    async def test(path: Path) -> None:
        memory = MemoryTaskStore()
        file = open_tasks(path, START)
        ids: list[str] = []
        now = START
        for number, (step, which, owner, outcome) in enumerate(steps):
            match step:
                case "add":
                    ids.append(str(number))
                    for store in (memory, file):
                        await store.add(record(ids[-1], owner, number))
                case "finish" if ids:
                    found = memory.peek(ids[which % len(ids)])
                    if found is not None and found.status == "working":
                        done = msgspec.structs.replace(found, status="completed", size=len(outcome), message=owner)
                        for store in (memory, file):
                            await store.finish(done, outcome)
                case "remove" if ids:
                    for store in (memory, file):
                        store.remove([ids[which % len(ids)], "unknown"])
                case "expire":
                    now = START + 1000 + which
                    over = memory.expired(now)
                    assert sorted(file.expired(now)) == sorted(over)
                    for store in (memory, file):
                        store.remove(over)
                case "reopen":
                    file.close()
                    file = open_tasks(path, now)
                    memory.remove(memory.expired(now))
                    for name in ids:
                        stopped = file.peek(name)
                        if stopped is not None and stopped.status == "failed":
                            await memory.finish(stopped, await file.outcome(name))
            for name in ids:
                assert await file.outcome(name) == await memory.outcome(name)
            assert seen(file) == seen(memory)
        file.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(test(Path(folder) / "tasks.db"))


def test_the_settings_are_read_from_a_configuration(tmp_path: Path) -> None:  # A32
    config = loads(
        "tasks: {store: t.db, default_ttl: 5m, max_ttl: 2h, poll_interval: 250ms, max_tasks: 7, max_result_size: 1Mi}",
        folder=tmp_path,
    )
    assert config.tasks.store == tmp_path / "t.db"
    assert (config.tasks.default_ttl, config.tasks.max_ttl) == (300 * 10**9, 7200 * 10**9)
    assert (config.tasks.poll_interval, config.tasks.max_tasks) == (250_000_000, 7)
    assert (config.tasks.max_result_size, config.tasks.max_tasks_per_client) == (1 << 20, 100)
