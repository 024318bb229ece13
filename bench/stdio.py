"""The whole server over stdio: round trips, pipelined calls and cold start, beside a C echo and the SDKs."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from bench import messages
from bench.paths import BENCH, BUILD, wasmtime_library
from bench.peers import BY_NAME, Peer
from bench.processes import LOAD_CPU, SERVER_CPU, environment, python

WINDOW = 256  # calls in flight when pipelined


def lines(command: list[str], era: str, trips: int, calls: int, window: int = WINDOW) -> dict[str, Any]:
    setup, request = BUILD / "setup.jsonl", BUILD / "request.jsonl"
    greeting = (
        [] if command == BY_NAME["c_echo"].stdio() else messages.handshake(era)
    )  # an echo answers notifications too
    setup.write_bytes(b"".join(message + b"\n" for message in greeting))
    request.write_bytes(messages.call(era) + b"\n")
    places = [str(LOAD_CPU), str(SERVER_CPU)]
    counts = [str(trips), str(calls), str(window)]
    run_lines = [str(BUILD / "lines"), *places, *counts, str(setup), str(request), "--", *command]
    done = subprocess.run(run_lines, capture_output=True, text=True, env=environment(), check=False)
    if done.returncode:
        raise SystemExit(f"bench: stdio run of {command[-1]} failed ({era}): {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def run(peers: list[Peer], *, rounds: int, trips: int, calls: int, starts: int) -> dict[str, Any]:
    peers = [p for p in peers if p.stdio() is not None]
    figures: dict[str, Any] = {"load": {}, "start": {}, "window": WINDOW}
    for era in messages.ERAS:
        figures["load"][era] = {p.name: [] for p in peers}
        for _ in range(rounds):
            for peer in peers:
                command = peer.stdio() or []
                count = trips // peer.speed, calls // peer.speed
                figures["load"][era][peer.name].append(lines(command, era, *count))
    bare = python(str(BENCH / "peers/bare_start.py"), str(wasmtime_library()))
    commands = {"bare_start": bare} | {p.name: p.stdio() or [] for p in peers}
    figures["start"] = {name: [] for name in commands}
    for _ in range(starts):
        for name, command in commands.items():
            figures["start"][name].append(lines(command, "modern", 1, 1, 1)["first_answer_ms"])
    return figures
