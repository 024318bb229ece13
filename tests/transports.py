"""Start servers from configurations: TLS, WebSocket, CORS and the rest of `transport.settings`."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers import ADD_WAT, Connection, command

ENDLESS_CALL = {"name": "spin", "arguments": {"n": 1}}


@dataclass
class Running:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def connect(self) -> Connection:
        return Connection(self.port)

    def lines(self, mark: str) -> list[str]:
        """Lines of the server's log with `mark` in them."""
        return [line for line in self.log.read_text().splitlines() if mark in line]


def program(script: str, *args: str) -> list[str]:
    return [sys.executable, "-c", script, *args]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def configured(transport: dict[str, Any], script: str | None = None, **others: Any) -> Iterator[Running]:
    """`mcpkit server --config …` with this `transport` section and two tools, until the block ends.

    `script`: a Python program to run instead, which finds the configuration in ``sys.argv[1]``.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "add.wat").write_text(ADD_WAT)
        server = {"port": free_port(), "log_format": "json", **others.pop("server", {})}
        runtime = {"wasm": {"module_path": "add.wat"}, "limits": {"execution_time": "20s"}}
        config = Path(folder, "config.json")
        config.write_text(json.dumps({"server": server, "transport": transport, "runtime": runtime, **others}))
        log = Path(folder, "stderr")
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                command("server", "--config", str(config)) if script is None else program(script, str(config)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        assert process.stdout
        try:
            line = process.stdout.readline()
            assert line, f"the server ended: {log.read_text()}"
            assert re.search(rb"https?://127\.0\.0\.1:\d+/mcp", line), line
            yield Running(process, server["port"], log)
            assert process.poll() is None, f"the server ended: {log.read_text()}"
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            finally:
                process.kill()
                process.stdout.close()
        assert process.returncode == 0, log.read_text()
