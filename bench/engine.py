"""The engine: a fresh instance per call through mcpkit's C and Python, the bare C API and the `wasmtime` package."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from bench.paths import BENCH, BUILD, wasmtime_library
from bench.processes import SERVER_CPU, environment, pinned, python


def _figures(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(pinned(SERVER_CPU, command), capture_output=True, text=True, env=environment(), check=False)
    if done.returncode:
        raise SystemExit(f"bench: {command[0]} failed: {done.stdout}{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def run(*, rounds: int, calls: int, spin_rounds: int) -> dict[str, Any]:
    library, add, spin = str(wasmtime_library()), str(BUILD / "add.wasm"), str(BUILD / "spin.wasm")
    programs = {
        "bare_capi": [str(BUILD / "bare_capi"), library, add, spin, str(calls), str(spin_rounds)],
        "mcpkit_c": [str(BUILD / "engine"), library, add, spin, str(calls), str(spin_rounds)],
        "mcpkit_python": python(str(BENCH / "load/door.py"), library, add, str(calls)),
        "wasmtime_package": python(str(BENCH / "peers/wasmtime_package.py"), add, str(calls // 5)),
    }
    figures: dict[str, Any] = {name: [] for name in programs}
    for _ in range(rounds):
        for name, command in programs.items():
            figures[name].append(_figures(command))
    return figures
