"""Compile what the benchmarks need: guests from WAT, load generators and peers from C and Go. Kept in bench/build."""

from __future__ import annotations

import ast
import os
import platform
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from bench.paths import BENCH, BUILD, ROOT

CC = shlex.split(os.environ.get("CC", "cc"))
FLAGS = ["-std=c11", "-O3", "-g0", "-Icext/include", "-Icext/wasm", "-Icext/json", "-Icext"]
PROGRAMS = {
    "c_echo": ["bench/peers/c_echo.c"],
    "bare_epoll": ["bench/peers/bare_epoll.c"],
    "lines": ["bench/load/lines.c"],
    "bare_capi": ["bench/peers/bare_capi.c", "cext/wasm/api.c"],
}


def _run(command: list[str], cwd: Path = ROOT) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"bench: {shlex.join(command)} failed:\n{done.stdout}{done.stderr}")


def _stale(target: Path, sources: list[Path]) -> bool:
    return not target.exists() or target.stat().st_mtime < max(s.stat().st_mtime for s in sources)


def _headers() -> list[Path]:
    return sorted((ROOT / "cext").rglob("*.h"))


def _setup_table(name: str) -> Any:
    """A literal table of setup.py, which cannot be imported without building."""
    for node in ast.parse((ROOT / "setup.py").read_text()).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == name:
            return ast.literal_eval(node.value)
    raise SystemExit(f"bench: setup.py has no table {name}")


def guests() -> None:
    """bench/guests/*.wat to bench/build/*.wasm."""
    for source in sorted((BENCH / "guests").glob("*.wat")):
        target = BUILD / f"{source.stem}.wasm"
        if _stale(target, [source]):
            from wasmtime import wat2wasm

            target.write_bytes(wat2wasm(source.read_text()))


def programs() -> None:
    for name, sources in PROGRAMS.items():
        if _stale(BUILD / name, [ROOT / s for s in sources] + _headers()):
            _run([*CC, *FLAGS, "-o", str(BUILD / name), *sources, "-ldl"])


def engine() -> None:
    """The wasm room and what it links, each kernel file with the flags setup.py gives it."""
    rooms, isa = _setup_table("ROOMS")["wasm"], _setup_table("ISA")
    machine = {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    sources = sorted(s for room in rooms for s in (ROOT / "cext" / room).glob("*.c"))
    objects = BUILD / "objects"
    objects.mkdir(exist_ok=True)
    newest = max(h.stat().st_mtime for h in _headers())
    for source in [*sources, BENCH / "load" / "engine.c"]:
        target = objects / f"{source.parent.name}-{source.stem}.o"
        if _stale(target, [source]) or target.stat().st_mtime < newest:
            own = isa.get(source.stem.rpartition("_")[2], {}).get(machine, [])
            _run([*CC, *FLAGS, *own, "-c", "-o", str(target), str(source)])
    kept = [objects / f"{s.parent.name}-{s.stem}.o" for s in [*sources, BENCH / "load" / "engine.c"]]
    _run([*CC, "-o", str(BUILD / "engine"), *map(str, kept), "-ldl", "-lpthread", "-lm"])


def go_sdk() -> bool:
    """False where there is no Go, or its module proxy is out of reach: the report then says that it is left out."""
    source = BENCH / "peers" / "go"
    target = BUILD / "go_sdk"
    if not _stale(target, list(source.iterdir())):
        return True
    if not shutil.which("go"):
        return False
    environment = {**os.environ, "GOFLAGS": "-buildvcs=false"}
    command = ["go", "build", "-trimpath", "-o", str(target), "."]
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)
    return done.returncode == 0


def everything(sections: list[str]) -> None:
    BUILD.mkdir(exist_ok=True)
    guests()
    programs()
    if "engine" in sections:
        engine()
