"""One SQLite file, one thread that writes it, one commit for all that waits."""

from __future__ import annotations

import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from mcpkit.storage.errors import StorageError

T = TypeVar("T")

GROUP = 256
"""Jobs of one transaction."""

Job = Callable[[sqlite3.Connection], Any]


class Database:
    """An open file. It is this process's alone: a second one that opens it is refused.

    WAL with ``synchronous=FULL``: a commit has reached the disk when its job's future is done.
    """

    def __init__(self, path: Path, *, application: int, version: int, schema: str) -> None:
        """Open or make the file. `application` and `version` tell our files from others and from later ones.

        Raises StorageError.
        """
        self.path = path
        self._queue: queue.SimpleQueue[tuple[Job, Future[Any]] | None] = queue.SimpleQueue()
        self._closed = False
        try:
            # Results may be secret: the file is the user's own from the start.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"{path}: cannot be opened: {error}") from None
        try:
            self._prepare(application, version, schema)
        except sqlite3.Error as error:
            self._connection.close()
            raise StorageError(_explain(path, error)) from None
        except StorageError:
            self._connection.close()
            raise
        self._thread = threading.Thread(target=self._work, name="mcpkit-storage", daemon=True)
        self._thread.start()

    def _prepare(self, application: int, version: int, schema: str) -> None:
        run = self._connection.execute
        run("PRAGMA locking_mode = EXCLUSIVE")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("BEGIN EXCLUSIVE")
        found = run("PRAGMA application_id").fetchone()[0], run("PRAGMA user_version").fetchone()[0]
        if found == (0, 0) and run("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0:
            run(f"PRAGMA application_id = {application:d}")
            run(f"PRAGMA user_version = {version:d}")
            run(schema)
        elif found[0] != application:
            raise StorageError(f"{self.path}: is a database of another program; name another file")
        elif found[1] != version:
            raise StorageError(
                f"{self.path}: has format {found[1]}, this version of mcpkit reads {version}; name another file"
            )
        run("COMMIT")

    def now(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Do a job at once, on this thread: only while nothing else was submitted. Raises StorageError."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            result = job(self._connection)
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageError(_explain(self.path, error)) from None
        return result

    def submit(self, job: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Do a job, one statement, soon. The future is done when it is on disk; it fails with StorageError."""
        future: Future[T] = Future()
        if self._closed:
            future.set_exception(StorageError(f"{self.path}: is closed"))
        else:
            self._queue.put((job, future))
        return future

    def close(self) -> None:
        """Do what was submitted, then close the file. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _work(self) -> None:
        last = False
        while not last:
            jobs = [self._queue.get()]
            while len(jobs) < GROUP:
                try:
                    jobs.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            last = None in jobs
            self._group([job for job in jobs if job is not None])

    def _group(self, jobs: list[tuple[Job, Future[Any]]]) -> None:
        """One transaction. A statement that fails takes nothing else with it, unless SQLite gave up the whole."""
        done: list[tuple[Future[Any], Any]] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for job, future in jobs:
                try:
                    done.append((future, job(self._connection)))
                except sqlite3.Error as error:
                    if not self._connection.in_transaction:
                        raise
                    future.set_exception(StorageError(_explain(self.path, error)))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            failure = StorageError(_explain(self.path, error))
            for _, future in jobs:
                if not future.done():
                    future.set_exception(failure)
            return
        for future, result in done:
            future.set_result(result)


def _explain(path: Path, error: sqlite3.Error) -> str:
    code = getattr(error, "sqlite_errorname", "")
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"{path}: another process uses this file; give each server a file of its own"
    # SQLITE_ERROR: a table or column that should be there is not.
    if code.startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")) or code == "SQLITE_ERROR":
        return f"{path}: is not a database, or a damaged one ({error}); move it away or name another file"
    return f"{path}: {error}"
