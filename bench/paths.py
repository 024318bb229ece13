"""Where things are, all inside the project."""

from __future__ import annotations

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCH = ROOT / "bench"
BUILD = BENCH / "build"
RESULTS = BENCH / "results"
REPORT = BENCH / "RESULTS.md"


def wasmtime_library() -> Path:
    """The shared library inside the installed `wasmtime` package, found without importing it."""
    spec = importlib.util.find_spec("wasmtime")
    if spec is None or spec.origin is None:
        raise SystemExit("bench: the wasmtime package is not installed; run `make bench`, which sets itself up")
    found = sorted(Path(spec.origin).parent.glob("linux-*/_libwasmtime.so"))
    if not found:
        raise SystemExit("bench: the installed wasmtime package has no shared library for Linux")
    return found[0]
