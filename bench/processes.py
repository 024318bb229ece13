"""Server processes: started on their own processor, measured through /proc."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bench.paths import BUILD, ROOT

TICKS = os.sysconf("SC_CLK_TCK")
_ALLOWED = sorted(os.sched_getaffinity(0))
SERVER_CPU = _ALLOWED[-1]  # the first processor serves most interrupts: leave it to the load generator
LOAD_CPU = _ALLOWED[0]


def environment() -> dict[str, str]:
    """The compile cache and the sources of this project; everything else as it is."""
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "MCPKIT_CACHE_DIR": str(BUILD / "cache")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def pinned(cpu: int, command: list[str]) -> list[str]:
    return ["taskset", "-c", str(cpu), *command]


@dataclass
class Running:
    name: str
    process: subprocess.Popen[bytes]
    port: int
    started: float  # of time.perf_counter, right before the start

    def _tree(self) -> list[int]:
        found, new = [], [self.process.pid]
        while new:
            pid = new.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                new += map(int, children.read_text().split())
        return found

    def cpu_seconds(self) -> float:
        """User and system time of the process and its children so far, all threads."""
        ticks = 0
        for pid in self._tree():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def resident_bytes(self) -> int:
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._tree())
        return pages * os.sysconf("SC_PAGE_SIZE")

    def wait_until_listening(self, timeout: float = 30.0) -> None:
        end = time.monotonic() + timeout
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    log = (BUILD / f"{self.name}.log").read_text(errors="replace")
                    self.stop()
                    raise SystemExit(f"bench: {self.name} does not listen; its last words:\n{log[-2000:]}") from None
                time.sleep(0.0005)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(name: str, command: list[str], port: int) -> Running:
    with (BUILD / f"{name}.log").open("wb") as log:
        begin = time.perf_counter()
        process = subprocess.Popen(
            pinned(SERVER_CPU, command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(),
        )
    return Running(name, process, port, begin)


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]
