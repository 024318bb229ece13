"""The rooms alone, by pytest-benchmark (bench/test_bench_*.py), reduced to what the report needs."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from bench.paths import BUILD, ROOT
from bench.processes import SERVER_CPU, environment, pinned, python


def run(*, seconds: float) -> dict[str, Any]:
    """{group: {name: {"median_ns", "rounds", "bytes"?, "reference"?}}}; `seconds` is what one benchmark may take."""
    raw = BUILD / "rooms.json"
    raw.unlink(missing_ok=True)
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "bench").glob("test_bench_*.py"))
    command = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--benchmark-enable", "--benchmark-disable-gc")
    command += ["--benchmark-warmup=on", "--benchmark-warmup-iterations=1000", f"--benchmark-max-time={seconds}"]
    command += [f"--benchmark-json={raw}", *files]
    done = subprocess.run(
        pinned(SERVER_CPU, command), cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode or not raw.exists():
        raise SystemExit(f"bench: the rooms' benchmarks failed:\n{done.stdout[-6000:]}{done.stderr[-2000:]}")
    groups: dict[str, Any] = {}
    for one in json.loads(raw.read_text())["benchmarks"]:
        figures = {"median_ns": one["stats"]["median"] * 1e9, "rounds": one["stats"]["rounds"]} | one["extra_info"]
        groups.setdefault(one["group"] or one["name"], {})[one["name"]] = figures
    return groups
