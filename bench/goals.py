"""The goals for speed, each with the figure that decides it. Ratios are between things measured in the same run."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.messages import ERAS
from bench.server import paired_ratio

Results = dict[str, Any]


@dataclass(frozen=True)
class Goal:
    what: str
    figure: Callable[[Results], float]  # KeyError: this run did not measure it
    sense: str  # "≤" or "≥"
    goal: float
    floor: float | None = None  # what must hold already; None: the goal itself
    unit: str = "x"

    def met(self, value: float, limit: float) -> bool:
        return value <= limit if self.sense == "≤" else value >= limit


def http(results: Results, peer: str, connections: int, key: str, *, worst: Callable[..., float]) -> float:
    """mcpkit's figure over a peer's in the worse of the two eras."""
    ratios = []
    for era in ERAS:
        load = results["http"]["load"][era]
        ratios.append(paired_ratio(load["mcpkit"][str(connections)], load[peer][str(connections)], key))
    return worst(ratios)


def stdio(results: Results, peer: str, key: str) -> float:
    loads = results["stdio"]["load"]
    return min(paired_ratio(loads[era]["mcpkit"], loads[era][peer], key) for era in ERAS)


def pipelined(results: Results) -> float:
    loads = results["stdio"]["load"]
    return float(min(statistics.median(run["calls_per_s"] for run in loads[era]["mcpkit"]) for era in ERAS))


def start(results: Results) -> float:
    starts = results["stdio"]["start"]
    return float(statistics.median(a / b for a, b in zip(starts["mcpkit"], starts["bare_start"], strict=True)))


def idle_memory(results: Results) -> float:
    return float(max(run["idle_resident_bytes"] for run in results["http"]["start"]["mcpkit"])) / 1e6


def engine(results: Results, ours: tuple[str, str], theirs: tuple[str, str]) -> float:
    """Median over the rounds of ours / theirs, in time."""
    figures = results["engine"]
    pairs = zip(figures[ours[0]], figures[theirs[0]], strict=True)
    return float(statistics.median(a[ours[1]] / b[theirs[1]] for a, b in pairs))


def fairness(results: Results) -> float:
    """Median over the rounds of a small call's median latency beside greedy ones over its own alone."""
    figures = results["fairness"]
    pairs = zip(figures["beside"], figures["alone"], strict=True)
    return float(statistics.median(a["p50_us"] / b["p50_us"] for a, b in pairs))


def room(results: Results, group: str, subject: str, reference: str) -> float:
    """How many times faster the subject is than the reference."""
    figures = results["rooms"][group]
    return float(figures[reference]["median_ns"] / figures[subject]["median_ns"])


def throughput(results: Results, group: str, subject: str) -> float:
    figures = results["rooms"][group][subject]
    return float(figures["bytes"] / figures["median_ns"])


GOALS = (
    Goal(
        "HTTP `tools/call`, 32 connections: server CPU per request over the bare uvloop responder's",
        lambda r: http(r, "bare_uvloop", 32, "cpu_us", worst=max), "≤", 1.8, 3.0,
    ),
    Goal(
        "HTTP `tools/call`, 32 connections: requests per second over the Python SDK's",
        lambda r: http(r, "python_sdk", 32, "requests_per_s", worst=min), "≥", 20, 10,
    ),
    Goal(
        "HTTP `tools/call`, 32 connections: requests per second over the Go SDK's",
        lambda r: http(r, "go_sdk", 32, "requests_per_s", worst=min), "≥", 6,
    ),
    Goal(
        "HTTP, one connection: median latency over the bare uvloop responder's",
        lambda r: http(r, "bare_uvloop", 1, "p50_us", worst=max), "≤", 1.3,
    ),
    Goal("stdio: round trips per second over a C echo's", lambda r: stdio(r, "c_echo", "round_trips_per_s"), "≥", 0.8),
    Goal("stdio: pipelined calls per second", pipelined, "≥", 100_000, unit="/s"),
    Goal("start to first answer over a Python that only imports and opens the same", start, "≤", 1.3),
    Goal("idle resident memory", idle_memory, "≤", 45, unit=" MB"),
    Goal(
        "engine: fresh instance, call, drop over the bare C API called in the same form",
        lambda r: engine(r, ("mcpkit_c", "fresh_ns"), ("bare_capi", "fresh_async_ns")), "≤", 1.3,
    ),
    Goal(
        "engine: calls per second over the `wasmtime` package's, JSON to JSON",
        lambda r: 1 / engine(r, ("mcpkit_c", "fresh_ns"), ("wasmtime_package", "json_ns")), "≥", 10,
    ),
    Goal(
        "metering: a computing guest over the same machine code with wasmtime's own accounting",
        lambda r: engine(r, ("mcpkit_c", "spin_ns"), ("bare_capi", "spin_epoch_ns")), "≤", 1.02,
    ),
    Goal("a small call beside a spinning and a memory-filling one: median latency over alone", fairness, "≤", 2.0),
    Goal(
        "envelope scan, 64 KiB body",
        lambda r: throughput(r, "envelope scan, 64 KiB", "mcpkit"), "≥", 2, unit=" GB/s",
    ),
    Goal(
        "envelope scan, 150-byte request, over a msgspec typed decode",
        lambda r: room(r, "envelope scan, 150 bytes", "mcpkit", "msgspec"), "≥", 3,
    ),
    Goal("SHA-256 of 1 MiB over OpenSSL (hashlib)", lambda r: room(r, "SHA-256, 1 MiB", "mcpkit", "hashlib"), "≥", 1.0),
    Goal("SHA-256 of 64 bytes over hashlib", lambda r: room(r, "SHA-256, 64 bytes", "mcpkit", "hashlib"), "≥", 1.5),
)  # fmt: skip
