"""Tasks in an SQLite file: records are held in memory as well, outcomes are read when they are asked for."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
from collections.abc import Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import msgspec

from mcpkit.storage.database import Database
from mcpkit.storage.errors import StorageError
from mcpkit.storage.tasks import TERMINAL, MemoryTaskStore, TaskRecord

log = logging.getLogger("mcpkit.storage")

APPLICATION = 0x6D636B74
"""Of SQLite's file header: says that the file is ours."""
VERSION = 1
SCHEMA = """
CREATE TABLE task (
    id TEXT NOT NULL PRIMARY KEY,
    owner TEXT NOT NULL,
    era TEXT NOT NULL,
    tool TEXT NOT NULL,
    status TEXT NOT NULL,
    message TEXT,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    ttl_ms INTEGER NOT NULL,
    tool_error INTEGER NOT NULL,
    size INTEGER NOT NULL,
    number INTEGER NOT NULL,
    outcome BLOB NOT NULL
)
"""

_COLUMNS = TaskRecord.__struct_fields__
_INSERT = f"INSERT INTO task ({', '.join(_COLUMNS)}, outcome) VALUES ({', '.join('?' * len(_COLUMNS))}, x'')"  # noqa: S608
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM task ORDER BY owner, number"  # noqa: S608
_FINISH = "UPDATE task SET status = ?, message = ?, updated_ms = ?, tool_error = ?, size = ?, outcome = ? WHERE id = ?"

STOPPED = "the server stopped while the task was running; call the tool again"


class SqliteTaskStore(MemoryTaskStore):
    """Keeps tasks in a file. A task is on disk before its id is given out, a result before anybody sees it."""

    def __init__(self, path: Path, now_ms: int) -> None:
        super().__init__()
        self._database = Database(path, application=APPLICATION, version=VERSION, schema=SCHEMA)
        self._writing: dict[str, Future[Any]] = {}
        try:
            for record in self._database.now(lambda connection: _recover(connection, now_ms)):
                self._enter(record)
        except (StorageError, msgspec.MsgspecError) as error:
            self._database.close()
            if isinstance(error, StorageError):
                raise
            raise StorageError(f"{path}: {error}; move it away or name another file") from None

    async def add(self, record: TaskRecord) -> TaskRecord:
        record = self._enter(record)
        values = msgspec.structs.astuple(record)
        try:
            await _done(self._database.submit(lambda connection: _execute(connection, _INSERT, values)))
        except BaseException:
            self.remove([record.id])
            raise
        return record

    async def finish(self, record: TaskRecord, outcome: bytes) -> None:
        self.change(record)
        # Until it is on disk, and for good if the disk refuses it, the outcome is here.
        self._outcomes[record.id] = outcome
        values = record.status, record.message, record.updated_ms, record.tool_error, record.size, outcome, record.id
        write = self._database.submit(lambda connection: _execute(connection, _FINISH, values))
        self._writing[record.id] = write
        try:
            await _done(write)
            self._outcomes.pop(record.id, None)
        finally:
            del self._writing[record.id]

    async def find(self, task_id: str) -> TaskRecord | None:
        write = self._writing.get(task_id)
        if write is not None:
            with contextlib.suppress(StorageError):
                await _done(write)
        return self._records.get(task_id)

    async def outcome(self, task_id: str) -> bytes:
        kept = self._outcomes.get(task_id)
        if kept is not None:
            return kept
        read = "SELECT outcome FROM task WHERE id = ?"
        row = await _done(self._database.submit(lambda connection: connection.execute(read, (task_id,)).fetchone()))
        return row[0] if row is not None else b""

    def remove(self, task_ids: Iterable[str]) -> None:
        ids = [(task_id,) for task_id in task_ids]
        super().remove(task_id for (task_id,) in ids)
        if ids:
            delete = "DELETE FROM task WHERE id = ?"
            self._database.submit(lambda connection: _execute_many(connection, delete, ids)).add_done_callback(_report)

    def close(self) -> None:
        self._database.close()


def _recover(connection: sqlite3.Connection, now_ms: int) -> list[TaskRecord]:
    """The records of a file that was in use before."""
    connection.execute("DELETE FROM task WHERE created_ms + ttl_ms <= ?", (now_ms,))
    rows = connection.execute(_SELECT).fetchall()
    records = [msgspec.convert(dict(zip(_COLUMNS, row, strict=True)), TaskRecord, strict=False) for row in rows]
    error = msgspec.json.encode({"code": -32603, "message": STOPPED})
    for i, record in enumerate(records):
        if record.status not in TERMINAL:
            failed = msgspec.structs.replace(
                record, status="failed", message=STOPPED, updated_ms=now_ms, size=len(error)
            )
            values = failed.status, failed.message, failed.updated_ms, failed.tool_error, failed.size, error, failed.id
            connection.execute(_FINISH, values)
            records[i] = failed
    return records


def _execute(connection: sqlite3.Connection, statement: str, values: tuple[Any, ...]) -> None:
    connection.execute(statement, values)


def _execute_many(connection: sqlite3.Connection, statement: str, rows: list[tuple[str]]) -> None:
    connection.executemany(statement, rows)


async def _done(future: Future[Any]) -> Any:
    """The future's result. Whoever stops waiting does not stop the write."""
    return await asyncio.shield(asyncio.wrap_future(future))


def _report(future: Future[None]) -> None:
    error = future.exception()
    if error is not None:
        log.error("tasks could not be deleted: %s", error)
