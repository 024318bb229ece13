"""What the figures were measured on: processor, kernel, versions, commit. Nothing that names the machine."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from bench.paths import BENCH, ROOT

PACKAGES = ["wasmtime", "uvloop", "msgspec", "orjson", "mcp", "uvicorn", "httptools", "pytest-benchmark", "cython"]


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    sdk = re.search(r"modelcontextprotocol/go-sdk (v\S+)", (BENCH / "peers/go/go.mod").read_text())
    if sdk and shutil.which("go"):
        found["Go SDK"] = sdk[1]
        found["Go"] = _output("go", "env", "GOVERSION")
    wrk = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False) if shutil.which("wrk") else None
    if wrk and (version := re.search(r"wrk (?:debian/)?(\S+)", wrk.stdout + wrk.stderr)):
        found["wrk"] = version[1]
    found["C compiler"] = _output(os.environ.get("CC", "cc").split()[0], "--version").partition("\n")[0]
    return found


def facts() -> dict[str, object]:
    memory = re.search(r"MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text())
    changed = _output("git", "status", "--porcelain", "--untracked-files=no", "--", "src", "cext", "setup.py", "bench")
    # The report and the raw results are what this very run writes.
    changed = "\n".join(c for c in changed.splitlines() if not c[3:].startswith(("bench/results/", "bench/RESULTS.md")))
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "processors": len(os.sched_getaffinity(0)),
        "memory_mib": int(memory[1]) // 1024 if memory else 0,
        "kernel": platform.release(),
        "libc": " ".join(platform.libc_ver()),
        "load_before": round(os.getloadavg()[0], 2),
        "commit": _output("git", "rev-parse", "--short=12", "HEAD") + (" with local changes" if changed else ""),
        "versions": _versions(),
        "arguments": " ".join(sys.argv[1:]),
    }
