"""Run the benchmarks and write the report: `make bench`, or `python -m bench --quick` for a smoke test.

A full run writes bench/results/latest.json, bench/RESULTS.md and the table in README.md; every other run writes
bench/results/partial.json and prints its report.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

from bench import build, engine, fairness, machine, peers, readme, report, rooms, server, stdio
from bench.paths import REPORT, RESULTS

SECTIONS = ("rooms", "engine", "http", "stdio", "fairness")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="one short round of everything: do they run? (figures are noise)"
    )
    parser.add_argument("--only", metavar="SECTIONS", help=f"some of {','.join(SECTIONS)}")
    parser.add_argument("--servers", metavar="NAMES", help=f"some of {','.join(peers.BY_NAME)}")
    parser.add_argument("--report", action="store_true", help="write RESULTS.md again from the last full run")
    options = parser.parse_args()
    options.sections = options.only.split(",") if options.only else list(SECTIONS)
    options.names = options.servers.split(",") if options.servers else list(peers.BY_NAME)
    for given, known in ((options.sections, SECTIONS), (options.names, peers.BY_NAME)):
        if unknown := set(given) - set(known):
            parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return options


def run(options: argparse.Namespace) -> dict[str, Any]:
    for program, package in (("wrk", "wrk"), ("taskset", "util-linux"), ("cc", "gcc")):
        if not shutil.which(program):
            raise SystemExit(f"bench: {program} is missing: apt-get install {package}")
    facts = machine.facts()
    left_out = []
    _say("building guests, load generators and peers")
    build.everything(options.sections)
    if "go_sdk" in options.names and not build.go_sdk():
        options.names.remove("go_sdk")
        left_out.append("the Go SDK (no Go here, or its module proxy is out of reach)")
    chosen = [peer for peer in peers.ALL if peer.name in options.names]

    quick = options.quick
    plans: dict[str, Callable[[], dict[str, Any]]] = {
        "rooms": lambda: rooms.run(seconds=0.02 if quick else 0.4),
        "engine": lambda: engine.run(
            rounds=1 if quick else 5, calls=5_000 if quick else 50_000, spin_rounds=5_000_000 if quick else 20_000_000
        ),
        "http": lambda: server.run(
            chosen,
            rounds=1 if quick else 3,
            seconds=1 if quick else 3,
            connections=(1, 32) if quick else server.CONNECTIONS,
            starts=1 if quick else 5,
        ),
        "stdio": lambda: stdio.run(
            chosen,
            rounds=1 if quick else 3,
            trips=2_000 if quick else 20_000,
            calls=20_000 if quick else 200_000,
            starts=2 if quick else 7,
        ),
        "fairness": lambda: fairness.run(rounds=1 if quick else 5, trips=300 if quick else 3_000),
    }
    command = "make bench" if not facts["arguments"] else f"python -m bench {facts['arguments']}"
    results: dict[str, Any] = {"command": command, "machine": facts, "left_out": left_out}
    for section in options.sections:
        begin = time.monotonic()
        results[section] = plans[section]()
        _say(f"{section}: {time.monotonic() - begin:.0f} s")
    return results


def _say(text: str) -> None:
    sys.stderr.write(f"bench: {text}\n")


def main() -> None:
    options = arguments()
    latest, partial = RESULTS / "latest.json", RESULTS / "partial.json"
    if options.report:
        results = json.loads(latest.read_text())
        REPORT.write_text(report.text(results))
        readme.update(results)
        return
    RESULTS.mkdir(exist_ok=True)
    results = run(options)
    full = not (options.quick or options.only or options.servers)
    (latest if full else partial).write_text(json.dumps(results, indent=1) + "\n")
    if full:
        REPORT.write_text(report.text(results))
        readme.update(results)
        _say(f"written: {REPORT.name} and README.md's table")
    sys.stdout.write(report.text(results))


main()
