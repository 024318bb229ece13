"""``tasks``: calls that go on after their request has been answered."""

from __future__ import annotations

from pathlib import Path

from mcpkit.config.section import Count, Duration, Section, Size

_SECOND = 1_000_000_000
_HOUR = 3600 * _SECOND


class Tasks(Section, frozen=True, kw_only=True):
    """Where tasks are kept, for how long, and how many."""

    enabled: bool = True
    """False: no task is ever made, and neither revision's capability is declared."""
    store: Path | None = None
    """The SQLite file that keeps tasks; None keeps them in memory for as long as the process lives."""
    default_ttl: Duration = _HOUR
    """How long a task is kept after its creation where the client does not say."""
    max_ttl: Duration = 24 * _HOUR
    """The longest that a client may ask for."""
    poll_interval: Duration = _SECOND
    """How often clients are asked to poll."""
    max_tasks: Count = 10_000
    """Running and finished ones, of all clients."""
    max_tasks_per_client: Count = 100
    """Of one caller, or of one session where callers are not told apart."""
    max_result_size: Size = 4 << 20
    """Of one task's result as JSON, in bytes."""
    max_total_size: Size = 256 << 20
    """Of all results that are kept, in bytes."""
