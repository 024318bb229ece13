"""A command that WasmEdge runs: one process per call, which bounds everything that the library does not."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import time
from pathlib import Path
from typing import IO, NamedTuple

from mcpkit.wasmedge.library import WasmEdge

PAGE = 65_536
DEFAULT_BYTES = 4 << 20
DEFAULT_OUTPUT = 64 << 10
PIECE = 64 << 10


class EdgeResult(NamedTuple):
    """How a call ended; the names are those of `mcpkit.core.wasm.CallResult`."""

    status: str
    output: bytes
    stderr: bytes
    detail: str
    units: int = 0
    wall_ns: int = 0
    memory_bytes: int = 0
    exit_status: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def mean_rate(self) -> float:
        """Units per second, the process's start included."""
        return self.units * 1e9 / self.wall_ns if self.wall_ns else 0.0

    @property
    def peak_rate(self) -> float:
        """The same: nothing is seen of a call in between."""
        return self.mean_rate


class EdgeTool(NamedTuple):
    """One module with its limits. 0: the default, or none."""

    edge: WasmEdge
    module: Path
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    max_units: int
    max_memory: int
    timeout_ns: int
    max_result: int = 0
    max_output: int = 0

    def call(self, arguments: bytes) -> EdgeResult:
        """Run the command with `arguments` on its standard input. Blocks; any thread may."""
        begun = time.monotonic_ns()
        request = {
            "module": str(self.module),
            "argv": self.argv,
            "env": [f"{name}={value}" for name, value in self.env],
            "max_units": self.max_units,
            "pages": max(self.max_memory // PAGE, 1),
        }
        asked, ask = os.pipe()
        reports, report = os.pipe()
        command = [*self.edge.command, "run", str(self.edge.path), str(asked), str(report)]
        with os.fdopen(ask, "wb") as ask_file, os.fdopen(reports, "rb") as report_file:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    pass_fds=(asked, report),
                    env={},
                )
            finally:
                os.close(asked)
                os.close(report)
            with process:
                try:
                    ask_file.write(json.dumps(request).encode())
                    ask_file.close()
                    ended = self._talk(process, report_file, arguments, begun)
                finally:
                    process.kill()
        return ended._replace(wall_ns=time.monotonic_ns() - begun)

    def _talk(self, process: subprocess.Popen[bytes], reports: IO[bytes], arguments: bytes, begun: int) -> EdgeResult:
        """Feed and read until the process has ended or a limit is crossed."""
        assert process.stdin
        assert process.stdout
        assert process.stderr
        taken: dict[IO[bytes], bytearray] = {one: bytearray() for one in (process.stdout, process.stderr, reports)}
        most = {process.stdout: self.max_result or DEFAULT_BYTES, process.stderr: self.max_output or DEFAULT_OUTPUT}
        left = memoryview(arguments)
        end = begun + (self.timeout_ns or 60_000_000_000)
        with selectors.DefaultSelector() as selector:
            for one in taken:
                selector.register(one, selectors.EVENT_READ)
            os.set_blocking(process.stdin.fileno(), False)
            selector.register(process.stdin, selectors.EVENT_WRITE)
            while selector.get_map():
                rest = (end - time.monotonic_ns()) / 1e9
                ready = selector.select(max(rest, 0.0)) if rest > 0 else []
                if not ready:
                    seconds = (end - begun) / 1e9
                    said = bytes(taken[process.stderr])
                    return EdgeResult("timeout", b"", said, f"stopped at the time limit of {seconds:.3g} seconds")
                for key, _ in ready:
                    stream: IO[bytes] = key.fileobj  # type: ignore[assignment]
                    if stream is process.stdin:
                        left = self._feed(stream, left)
                        if not left:
                            selector.unregister(stream)
                            stream.close()
                        continue
                    piece = os.read(stream.fileno(), PIECE)
                    if not piece:
                        selector.unregister(stream)
                        continue
                    room = most.get(stream, DEFAULT_BYTES) - len(taken[stream])
                    taken[stream] += piece[: max(room, 0)]
                    if stream is process.stdout and len(piece) > room:
                        text = f"stopped because it wrote more than {most[stream]} bytes to stdout"
                        return EdgeResult("result_too_large", b"", bytes(taken[process.stderr]), text)
        process.wait()
        return self._ended(bytes(taken[reports]), bytes(taken[process.stdout]), bytes(taken[process.stderr]))

    def _feed(self, stream: IO[bytes], left: memoryview) -> memoryview:
        with contextlib.suppress(BlockingIOError):
            try:
                return left[os.write(stream.fileno(), left[:PIECE]) :]
            except BrokenPipeError:  # the guest does not want to know
                return left[:0]
        return left

    def _ended(self, report: bytes, output: bytes, stderr: bytes) -> EdgeResult:
        if not report:
            lines = stderr.decode("utf-8", "replace").strip().splitlines()
            return EdgeResult("internal", b"", stderr, f"WasmEdge ended without a word: {lines[-1] if lines else ''}")
        said = json.loads(report)
        status, detail, exit_status = said["status"], said["detail"], said["exit_status"]
        if status == "out_of_units":
            detail = f"stopped at the compute limit of {self.max_units} units"
        elif status == "ok" and exit_status:
            status, detail = "guest_error", f"the program ended with exit status {exit_status}"
        return EdgeResult(
            status, output if status in {"ok", "guest_error"} else b"", stderr, detail,
            said["units"], 0, said["memory_bytes"], exit_status,
        )  # fmt: skip
