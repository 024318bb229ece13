"""Where WasmEdge's shared library is, and which Python runs it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

WORKER = Path(__file__).with_name("worker.py")
NAMES = ("libwasmedge.so.0", "libwasmedge.so", "libwasmedge.dylib")
FOLDERS = ("/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/local/lib", "/opt/homebrew/lib")
ASK_SECONDS = 20.0


class WasmEdgeError(Exception):
    """WasmEdge cannot be used; the message says what to do."""


class WasmEdge(NamedTuple):
    """A library that can be loaded, the command that runs its worker, and its version."""

    path: Path
    command: tuple[str, ...]
    version: str


def find(environ: Mapping[str, str] | None = None) -> WasmEdge:
    """The library. Raises WasmEdgeError that says where it was looked for.

    ``MCPKIT_WASMEDGE`` names the file. ``MCPKIT_WASMEDGE_PYTHON`` is the command of a Python that can load it, for a
    library that wants another C library than this Python's.
    """
    environ = os.environ if environ is None else environ
    named = environ.get("MCPKIT_WASMEDGE")
    if named:
        candidates = [Path(named)]
    else:
        folders = [Path(environ["HOME"], ".wasmedge", "lib")] if environ.get("HOME") else []
        folders += [Path(folder) for folder in FOLDERS]
        candidates = [folder / name for folder in folders for name in NAMES]
    path = next((one for one in candidates if one.is_file()), None)
    if path is None:
        where = named or ", ".join(sorted({str(one.parent) for one in candidates}))
        raise WasmEdgeError(
            f"runtime.type wasmedge: there is no WasmEdge library (looked for: {where}). Install it (Debian 13: "
            "apt install libwasmedge0; elsewhere WasmEdge's installer), or name the file in MCPKIT_WASMEDGE"
        )
    python = shlex.split(environ.get("MCPKIT_WASMEDGE_PYTHON", "")) or [sys.executable]
    command = (*python, "-I", "-S", str(WORKER))
    return WasmEdge(path, command, _version(path, command))


def _version(path: Path, command: tuple[str, ...]) -> str:
    """Asked in a process of its own: a library that does not load must not take this one with it."""
    try:
        done = subprocess.run(
            [*command, "version", str(path)], capture_output=True, text=True, timeout=ASK_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WasmEdgeError(f"{path} cannot be asked for its version: {error}") from None
    if done.returncode != 0 or not done.stdout.strip():
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise WasmEdgeError(f"{path} cannot be loaded: {reason[0]}")
    return done.stdout.strip()
