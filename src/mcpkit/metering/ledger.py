"""Accounts that outlive processes: counters in a memory-mapped file, and once a second in SQLite.

Every process of one store maps the same file, so what one counts the others see at once, and a process that is killed
loses nothing. SQLite is for a machine that loses its power: when the machine has been started anew the counters are
made at least what it remembers, which is at most a second old.
"""

from __future__ import annotations

import fcntl
import logging
import mmap
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mcpkit.core.meter import ACCOUNT_BYTES, Accounts, account_key

if TYPE_CHECKING:
    import sqlite3

log = logging.getLogger("mcpkit.metering")

ACCOUNTS = 65_536
HEADER = 4096
SIZE = HEADER + ACCOUNTS * ACCOUNT_BYTES
MAGIC = b"mcpkit accounts 1\n"
INTERVAL_S = 1.0
SECONDS = (60, 3600, 86400)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS account (
    name TEXT PRIMARY KEY, at INTEGER NOT NULL,
    minute INTEGER, hour INTEGER, day INTEGER, minute_calls INTEGER, hour_calls INTEGER, day_calls INTEGER
) WITHOUT ROWID
"""
_SAVE = "INSERT OR REPLACE INTO account VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

Counts = tuple[int, int, int, int, int, int]
"""Compute units per minute, hour and day, then calls."""


class LedgerError(Exception):
    """The store cannot be used; the message says where and what to do."""


class LedgerFullError(LedgerError):
    """Every account is somebody's who used it today."""


class Ledger:
    """The accounts of one store. A context manager; `close` writes what is not yet written."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time, save: bool = True) -> None:
        """Open the store in `folder`, made when it is missing. `save`: write to SQLite every second.

        Raises LedgerError.
        """
        self.folder = folder
        self._clock = clock
        self._names: dict[str, int] = {}
        self._saved: dict[str, Counts] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._closed = threading.Event()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with (folder / "lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self._memory, rebooted = _map(folder / "counters")
                self.accounts = Accounts(memoryview(self._memory)[HEADER:])
                self._database = _open_database(folder / "ledger.db")
                if rebooted:
                    self._restore()
                    self._memory[len(MAGIC) : len(MAGIC) + 64] = _boot()
        except OSError as error:
            raise LedgerError(
                f"the quota store {folder} cannot be used: {error.strerror or error}; "
                "name another folder in runtime.wasm.metering.quotas.store"
            ) from None
        self._thread = threading.Thread(target=self._work, name="mcpkit-ledger", daemon=True)
        if save:
            self._thread.start()

    def now(self) -> int:
        """Seconds since 1970, UTC."""
        return int(self._clock())

    def account(self, name: str) -> int:
        """The index of the account of that name. Raises LedgerFullError."""
        with self._lock:
            index = self._names.get(name)
            if index is None:
                index = self.accounts.find(account_key(name), self.now())
                if index is None:
                    raise LedgerFullError(f"the quota store {self.folder} has no room for {name!r}")
                self._names[name] = index
            return index

    def used(self, name: str) -> Counts:
        """What was used in the running minute, hour and day."""
        return self.accounts.used(self.account(name), self.now())

    def names(self) -> list[str]:
        """Every account that was ever written down."""
        with self._writing:
            return [name for (name,) in self._database.execute("SELECT name FROM account ORDER BY name")]

    def save(self) -> None:
        """Write what has changed since the last time."""
        import sqlite3

        now = self.now()
        with self._lock:
            names = list(self._names.items())
        with self._writing:
            counts = {name: self.accounts.used(index, now) for name, index in names}
            changed = [(name, now, *used) for name, used in counts.items() if used != self._saved.get(name)]
            if not changed:
                return
            try:
                with self._database:
                    self._database.executemany(_SAVE, changed)
            except sqlite3.Error as error:
                log.warning("quotas are not written to %s: %s", self.folder / "ledger.db", error)
                return
            self._saved = counts

    def close(self) -> None:
        """Write what is not written yet. Again: nothing."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()
        self.save()
        self._database.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        while not self._closed.wait(INTERVAL_S):
            self.save()

    def _restore(self) -> None:
        """Windows that are over count nothing any more."""
        now = self.now()
        for name, at, *counts in self._database.execute("SELECT * FROM account WHERE at > ?", (now - SECONDS[2],)):
            index = self.accounts.find(account_key(name), now)
            if index is None:
                continue
            current = [at // SECONDS[i % 3] == now // SECONDS[i % 3] for i in range(6)]
            known = [count if same else 0 for count, same in zip(counts, current, strict=True)]
            self.accounts.restore(index, known, now)


def default_folder() -> Path:
    """$XDG_STATE_HOME/mcpkit/quotas, else ~/.local/state/mcpkit/quotas."""
    base = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not base.is_absolute():
        base = Path.home() / ".local" / "state"
    return base / "mcpkit" / "quotas"


def _boot() -> bytes:
    """Which start of the machine this is; unknown ones are never the same."""
    try:
        name = Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        name = b"unknown"
    return name.ljust(64)[:64]


def _map(path: Path) -> tuple[mmap.mmap, bool]:
    """The file in memory, and whether its numbers may be older than the ledger's: a new file, or a new start."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        head = os.pread(descriptor, len(MAGIC) + 64, 0)
        whole = os.fstat(descriptor).st_size == SIZE and head.startswith(MAGIC)
        if not whole:
            if head:
                log.warning("%s was no store of counters and is made anew from the ledger", path)
            os.ftruncate(descriptor, 0)
            os.ftruncate(descriptor, SIZE)
            os.pwrite(descriptor, MAGIC, 0)
        memory = mmap.mmap(descriptor, SIZE)
    finally:
        os.close(descriptor)
    boot = _boot()
    return memory, not whole or head[len(MAGIC) :] != boot or boot.startswith(b"unknown")


def _open_database(path: Path) -> sqlite3.Connection:
    """A damaged database is put aside: the counters are in the mapped file."""
    import sqlite3  # only where there are quotas: it takes milliseconds of a server's start

    try:
        return _prepared(path)
    except sqlite3.Error as error:
        aside = path.with_name(f"{path.name}.damaged-{int(time.time())}")
        log.warning("%s cannot be read (%s); it is kept as %s and a new one begun", path, error, aside.name)
        path.replace(aside)
        for rest in ("-wal", "-shm"):
            path.with_name(path.name + rest).unlink(missing_ok=True)
    try:
        return _prepared(path)
    except sqlite3.Error as error:
        raise LedgerError(f"{path}: {error}; name another folder in runtime.wasm.metering.quotas.store") from None


def _prepared(path: Path) -> sqlite3.Connection:
    import sqlite3

    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=5.0, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        with connection:
            connection.execute(_SCHEMA)
            connection.execute("SELECT * FROM account LIMIT 1").fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
