"""The whole server over HTTP: throughput, latency, processor time per request, memory and cold start, beside its peers.

All servers of one era stand ready together and are loaded in turn, several times round, so that a noisy machine hurts
all alike; ratios are taken within one round. Server and load generator have a processor each (on a machine with one,
they share it).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any

from bench import messages
from bench.paths import BENCH, BUILD
from bench.peers import Peer
from bench.processes import LOAD_CPU, Running, free_port, pinned, start

CONNECTIONS = (1, 32, 256)


def load(server: Running, session: messages.Session, connections: int, seconds: int) -> dict[str, Any]:
    """One run of wrk against a server: what wrk says, and what the server's processor time says."""
    body = BUILD / "body.json"
    body.write_bytes(messages.call(session.era))
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        "10s",
        "-s",
        str(BENCH / "load/post.lua"),
    ]
    command += [f"http://127.0.0.1:{server.port}/mcp", "--", str(body)]
    command += [f"{name}: {value}" for name, value in session.headers.items()]
    before = server.cpu_seconds()
    done = subprocess.run(pinned(LOAD_CPU, command), capture_output=True, text=True, check=False)
    used = server.cpu_seconds() - before
    line = next((x for x in done.stdout.splitlines() if x.startswith("RESULT ")), None)
    if line is None:
        raise SystemExit(f"bench: wrk failed: {done.stdout}{done.stderr}")
    result: dict[str, Any] = json.loads(line[7:])
    if not result["requests"]:
        raise SystemExit(
            f"bench: {server.name} answered nothing in {seconds} s ({session.era}, {connections} connections)"
        )
    result["requests_per_s"] = result["requests"] / result["seconds"]
    result["cpu_us"] = used / result["requests"] * 1e6
    result["resident_bytes"] = server.resident_bytes()
    return result


def first_answer(peer: Peer, era: str, answer: Path) -> dict[str, Any]:
    """From starting the process to its first answered call, and the memory it holds then."""
    port = free_port()
    command = peer.http(port, answer)
    assert command is not None
    server = start(peer.name, command, port)
    try:
        server.wait_until_listening()
        messages.Session(port, era).open().check()
        took = time.perf_counter() - server.started
        return {"first_answer_ms": took * 1e3, "idle_resident_bytes": server.resident_bytes()}
    finally:
        server.stop()


def _answers(peers: list[Peer], era: str) -> Path:
    """What the bare responders shall say: mcpkit's very bytes where it takes part."""
    path = BUILD / f"answer-{era}.http"
    path.write_bytes(messages.stand_in(era))
    for peer in peers:
        if peer.name == "mcpkit":
            port = free_port()
            server = start(peer.name, peer.http(port, path) or [], port)
            try:
                server.wait_until_listening()
                path.write_bytes(messages.Session(port, era).open().check())
            finally:
                server.stop()
    return path


def run(peers: list[Peer], *, rounds: int, seconds: int, connections: tuple[int, ...], starts: int) -> dict[str, Any]:
    peers = [p for p in peers if p.http(0, Path()) is not None]
    figures: dict[str, Any] = {"load": {}, "start": {}, "answer_bytes": {}, "rounds": rounds, "seconds": seconds}
    for era in messages.ERAS:
        answer = _answers(peers, era)
        figures["answer_bytes"][era] = answer.stat().st_size
        if era == "modern":  # the first call of a cold start needs no handshake there
            figures["start"] = {p.name: [] for p in peers}
            for _ in range(starts):
                for peer in peers:
                    figures["start"][peer.name].append(first_answer(peer, era, answer))
        figures["load"][era] = _loads(peers, era, answer, rounds, seconds, connections)
    return figures


def _loads(
    peers: list[Peer], era: str, answer: Path, rounds: int, seconds: int, connections: tuple[int, ...]
) -> dict[str, Any]:
    servers: dict[str, tuple[Running, messages.Session]] = {}
    figures: dict[str, Any] = {p.name: {str(c): [] for c in connections} for p in peers}
    try:
        for peer in peers:
            port = free_port()
            server = start(peer.name, peer.http(port, answer) or [], port)
            session = messages.Session(port, era)
            servers[peer.name] = (server, session)
            server.wait_until_listening()
            session.open().check()
            load(server, session, 32, 1)  # warm
        for _ in range(rounds):
            for count in connections:
                for name, (server, session) in servers.items():
                    figures[name][str(count)].append(load(server, session, count, seconds))
        for _, session in servers.values():
            session.check()  # still right after all that
    finally:
        for server, _ in servers.values():
            server.stop()
    return figures


def paired_ratio(a: list[dict[str, Any]], b: list[dict[str, Any]], key: str) -> float:
    """Median over the rounds of a's figure over b's: each round saw the same machine."""
    return float(statistics.median(x[key] / y[key] for x, y in zip(a, b, strict=True)))
