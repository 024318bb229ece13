"""Where tasks are kept, as the configuration says."""

from __future__ import annotations

import time

from mcpkit.config import Tasks as TasksConfig
from mcpkit.storage import MemoryTaskStore, StorageError, TaskRecord, TaskStore, open_tasks

__all__ = ["MemoryTaskStore", "StorageError", "TaskRecord", "TaskStore", "open_store"]


def open_store(config: TasksConfig) -> TaskStore:
    """In memory, or the configured file. Raises StorageError where the file cannot be used."""
    if config.store is None:
        return MemoryTaskStore()
    return open_tasks(config.store, int(time.time() * 1000))
