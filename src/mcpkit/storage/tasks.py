"""Tasks as they are kept: a record each, found by id, listed by owner, counted, and expired in time."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Literal, Protocol

import msgspec

Status = Literal["working", "input_required", "completed", "failed", "cancelled"]

TERMINAL: frozenset[Status] = frozenset({"completed", "failed", "cancelled"})
"""A task that has one of these never changes again."""


class TaskRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one task, its outcome apart."""

    id: str
    owner: str
    """Who may see it; the empty string: whoever knows the id."""
    era: Literal["legacy", "modern"]
    tool: str
    status: Status
    message: str | None = None
    created_ms: int
    """Milliseconds since 1970, as the other times."""
    updated_ms: int
    ttl_ms: int
    """From `created_ms` on."""
    tool_error: bool = False
    """Completed, with a result that says that the tool failed."""
    size: int = 0
    """Bytes of the outcome."""
    number: int = 0
    """Place among the owner's tasks; given by the store."""

    @property
    def expires_ms(self) -> int:
        return self.created_ms + self.ttl_ms


class TaskStore(Protocol):
    """Keeps records and outcomes. One event loop uses it; what a method changes, the next one sees."""

    total: int
    """Tasks that are kept."""
    total_bytes: int
    """Of all outcomes."""

    def count(self, owner: str) -> int:
        """Tasks of one owner."""

    async def add(self, record: TaskRecord) -> TaskRecord:
        """Keep a new task. When this returns it is as safe as this store makes it. Raises StorageError."""

    def change(self, record: TaskRecord) -> None:
        """Another status or message of a task that is still running."""

    async def finish(self, record: TaskRecord, outcome: bytes) -> None:
        """The last change: a terminal status, and what came of the task as JSON text.

        Raises StorageError where the outcome is known to this process only.
        """

    def peek(self, task_id: str) -> TaskRecord | None:
        """The record as it is now."""

    async def find(self, task_id: str) -> TaskRecord | None:
        """The record, once what it says is safe."""

    async def outcome(self, task_id: str) -> bytes:
        """The outcome of a finished task; empty if it is not kept. Raises StorageError."""

    def page(self, owner: str, after: int, limit: int) -> list[TaskRecord]:
        """Up to `limit` of one owner's tasks whose number is greater than `after`, oldest first."""

    def of_owner(self, owner: str) -> list[str]:
        """The ids of one owner's tasks, oldest first."""

    def oldest_cancelled(self, owner: str | None) -> str | None:
        """The oldest cancelled task, of one owner or of all."""

    def remove(self, task_ids: Iterable[str]) -> None:
        """Forget tasks."""

    def expired(self, now_ms: int) -> list[str]:
        """Tasks whose time is over; they are still there until `remove`."""

    def next_expiry_ms(self) -> int | None:
        """When the next task's time is over; None without tasks."""

    def close(self) -> None:
        """Write what is not written yet; waits for it. May be called twice."""


class MemoryTaskStore:
    """Keeps tasks for as long as the process lives."""

    def __init__(self) -> None:
        self.total = 0
        self.total_bytes = 0
        self._records: dict[str, TaskRecord] = {}
        self._outcomes: dict[str, bytes] = {}
        self._owners: dict[str, dict[int, str]] = {}
        self._last_number: dict[str, int] = {}
        self._expiries: list[tuple[int, str]] = []

    def count(self, owner: str) -> int:
        return len(self._owners.get(owner, ()))

    async def add(self, record: TaskRecord) -> TaskRecord:
        return self._enter(record)

    def _enter(self, record: TaskRecord) -> TaskRecord:
        number = record.number or self._last_number.get(record.owner, 0) + 1
        record = msgspec.structs.replace(record, number=number)
        self._last_number[record.owner] = number
        self._owners.setdefault(record.owner, {})[number] = record.id
        self._records[record.id] = record
        heapq.heappush(self._expiries, (record.expires_ms, record.id))
        self.total += 1
        self.total_bytes += record.size
        return record

    def change(self, record: TaskRecord) -> None:
        before = self._records[record.id]
        self._records[record.id] = record
        self.total_bytes += record.size - before.size

    async def finish(self, record: TaskRecord, outcome: bytes) -> None:
        self.change(record)
        self._outcomes[record.id] = outcome

    def peek(self, task_id: str) -> TaskRecord | None:
        return self._records.get(task_id)

    async def find(self, task_id: str) -> TaskRecord | None:
        return self._records.get(task_id)

    async def outcome(self, task_id: str) -> bytes:
        return self._outcomes.get(task_id, b"")

    def page(self, owner: str, after: int, limit: int) -> list[TaskRecord]:
        found: list[TaskRecord] = []
        for number, task_id in self._owners.get(owner, {}).items():
            if number > after:
                found.append(self._records[task_id])
                if len(found) == limit:
                    break
        return found

    def of_owner(self, owner: str) -> list[str]:
        return list(self._owners.get(owner, {}).values())

    def oldest_cancelled(self, owner: str | None) -> str | None:
        ids = self._records if owner is None else self._owners.get(owner, {}).values()
        return next((task_id for task_id in ids if self._records[task_id].status == "cancelled"), None)

    def remove(self, task_ids: Iterable[str]) -> None:
        for task_id in task_ids:
            record = self._records.pop(task_id, None)
            if record is None:
                continue
            self._outcomes.pop(task_id, None)
            self.total -= 1
            self.total_bytes -= record.size
            own = self._owners[record.owner]
            del own[record.number]
            if not own:
                del self._owners[record.owner], self._last_number[record.owner]
        if len(self._expiries) > 2 * self.total + 64:
            self._expiries = [(record.expires_ms, task_id) for task_id, record in self._records.items()]
            heapq.heapify(self._expiries)

    def expired(self, now_ms: int) -> list[str]:
        over: list[str] = []
        while self._expiries and self._expiries[0][0] <= now_ms:
            _, task_id = heapq.heappop(self._expiries)
            if task_id in self._records:
                over.append(task_id)
        return over

    def next_expiry_ms(self) -> int | None:
        return self._expiries[0][0] if self._expiries else None

    def close(self) -> None:
        pass
