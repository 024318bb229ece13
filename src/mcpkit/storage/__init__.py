"""What outlives a request, and where a file is configured the process: a leaf room without protocol.

`MemoryTaskStore` is the default; `open_tasks` keeps tasks in an SQLite file.
"""

from __future__ import annotations

from pathlib import Path

from mcpkit.storage.errors import StorageError
from mcpkit.storage.tasks import TERMINAL, MemoryTaskStore, Status, TaskRecord, TaskStore

__all__ = ["TERMINAL", "MemoryTaskStore", "Status", "StorageError", "TaskRecord", "TaskStore", "open_tasks"]


def open_tasks(path: Path, now_ms: int) -> TaskStore:
    """The tasks in an SQLite file, which is made if it is not there; `now_ms` is the time since 1970 in milliseconds.

    What has expired is deleted; tasks that were running when the file was last used are failed ones now. Raises
    StorageError where the file cannot be used, or another process uses it.
    """
    from mcpkit.storage.tasks_sqlite import SqliteTaskStore

    return SqliteTaskStore(path, now_ms)
