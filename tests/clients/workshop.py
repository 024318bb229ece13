"""The server that real clients are pointed at, and how its work is watched from outside."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from servers import HttpServer, command, http_server

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
TOOLS = ["add", "count", "divide", "echo", "fail", "spin"]
LEGACY_VERSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]

# `spin` must go on until it is cancelled, so neither fuel nor the clock may end it first.
CONFIG = """\
version: "1.0"
server:
  name: workshop
  version: "7.1"
  instructions: Add before you divide.
runtime:
  wasm:
    modules:
      - path: {module}
    metering:
      max_compute_units: 1_000_000_000_000
  limits:
    execution_time: 120s
"""


@dataclass
class Workshop:
    """A configuration file, and the two ways to reach a server that runs it."""

    config: Path
    http: HttpServer

    @property
    def command(self) -> list[str]:
        """Starts a stdio server of its own."""
        return command("server", "--config", str(self.config))

    @property
    def env(self) -> dict[str, str]:
        """What that command needs beside the few variables that clients hand on."""
        return {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])])}


@contextmanager
def workshop(folder: Path) -> Iterator[Workshop]:
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(module=HERE / "workshop.wat"), encoding="utf-8")
    with http_server("--config", str(config)) as http:
        yield Workshop(config, http)


# --- a process seen from outside ---

watched = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to see whether a server is at work")


def ticks(pid: int) -> int:
    """CPU time a process has used, in clock ticks (100 a second)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def children() -> set[int]:
    """Processes that this one has started and that are there still."""
    tasks = [task / "children" for task in Path("/proc/self/task").iterdir()]
    return {int(pid) for task in tasks if task.exists() for pid in task.read_text(encoding="ascii").split()}


def at_rest(pid: int) -> bool:
    """Whether a process lets 0.2 s go by nearly idle: nothing spins in it."""
    before = ticks(pid)
    time.sleep(0.2)
    return ticks(pid) - before <= 4


def busy(pid: int) -> bool:
    """Whether a process uses a good part of 0.1 s."""
    before = ticks(pid)
    time.sleep(0.1)
    return ticks(pid) - before >= 3


def eventually(check: Callable[[], bool], seconds: float = 20) -> bool:
    """Ask again until the answer is yes; False when it never is."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.02)
    return False
