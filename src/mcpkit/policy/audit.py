"""A record of what was refused: one JSON object per line, in a file or in the log. Arguments are never in it."""

from __future__ import annotations

import json
import logging
import os
import threading
from datetime import UTC, datetime
from pathlib import Path

from mcpkit.policy.decision import Decision

log = logging.getLogger("mcpkit.policy")

LONGEST = 256
"""Letters of a name or URI."""


class Audit:
    """Writes refusals down. Safe to use from several threads at once; a line is written with one call."""

    def __init__(self, path: Path | None = None) -> None:
        """`path`: a file to append to, readable by its owner alone; None: the log. Raises OSError."""
        self._lock = threading.Lock()
        self._path = path
        self._file: int | None = None
        if path is not None:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def refused(self, *, who: str, action: str, target: str, decision: Decision, transport: str = "") -> None:
        """`who` asked for `action` (``tools/call``) with `target` (the tool)."""
        line = json.dumps(
            {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "event": "refused",
                "who": who,
                "transport": transport,
                "action": action,
                "target": target[:LONGEST],
                "rule": decision.rule,
                "place": decision.place,
            }
        )
        with self._lock:
            if self._file is None:
                log.warning("%s", line)
                return
            try:
                os.write(self._file, line.encode() + b"\n")
            except OSError as error:
                log.error("%s: a refusal cannot be written down: %s; it was %s", self._path, error.strerror, line)

    def close(self) -> None:
        with self._lock:
            file, self._file = self._file, None
        if file is not None:
            os.close(file)
