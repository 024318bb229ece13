"""bench/RESULTS.md from the raw results. Every figure comes from them; nothing here is typed in."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from bench import goals
from bench.messages import ERAS, VERSION
from bench.peers import BY_NAME
from bench.server import paired_ratio

Results = dict[str, Any]


def number(value: float) -> str:
    """Three figures that mean something."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    aligned = ["---", *["---:"] * (len(head) - 1)]
    return ["| " + " | ".join(cells) + " |" for cells in (head, aligned, *rows)] + [""]


def median(runs: list[dict[str, Any]], key: str) -> float:
    return float(statistics.median(run[key] for run in runs))


def machine(facts: dict[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return [
        f"* {facts['date']}, commit {facts['commit']}",
        f"* {facts['processor']}, {facts['processors']} processors, {facts['memory_mib']:,} MiB, "
        f"Linux {facts['kernel']}, {facts['libc']}; load average {facts['load_before']} at the start",
        f"* {versions}",
        "",
    ]


def verdicts(results: Results) -> list[str]:
    rows = []
    for goal in goals.GOALS:
        target = f"{goal.sense} {goal.goal:,g}{goal.unit}"
        floor = "" if goal.floor is None else f"{goal.sense} {goal.floor:,g}{goal.unit}"
        try:
            value = goal.figure(results)
        except KeyError:
            rows.append((goal.what, "not measured in this run", floor, target, ""))
            continue
        met = "met" if goal.met(value, goal.goal) else "**not met**"
        if floor:
            floor += " met" if goal.met(value, goal.floor or 0) else " **not met**"
        rows.append((goal.what, f"{number(value)}{goal.unit}", floor, target, met))
    return ["## Goals", "", *table(("what", "figure", "must hold", "goal", "goal is"), rows)]


def http(figures: dict[str, Any]) -> list[str]:
    sizes = ", ".join(f"{size} in the {era} era" for era, size in figures["answer_bytes"].items())
    lines = [
        "## HTTP",
        "",
        f"`tools/call` of an addition, wrk with one thread, {figures['rounds']} times {figures['seconds']} s, "
        "medians. CPU is the server's user and system time per request. The bare responders send the same bytes as "
        f"mcpkit ({sizes}) without reading the request's JSON.",
        "",
    ]
    head = ("server", "requests/s", "p50 µs", "p99 µs", "CPU µs", "CPU over bare uvloop", "resident MB", "errors")
    for era in ERAS:
        load = figures["load"].get(era, {})
        counts = sorted({int(c) for runs in load.values() for c in runs})
        for count in counts:
            rows = []
            for name, by_count in load.items():
                runs = by_count[str(count)]
                bare = load.get("bare_uvloop", by_count)[str(count)]
                rows.append((
                    BY_NAME[name].title,
                    number(median(runs, "requests_per_s")),
                    number(median(runs, "p50_us")),
                    number(median(runs, "p99_us")),
                    number(median(runs, "cpu_us")),
                    f"{number(paired_ratio(runs, bare, 'cpu_us'))}x" if "bare_uvloop" in load else "",
                    number(median(runs, "resident_bytes") / 1e6),
                    str(sum(run["errors"] for run in runs)),
                ))  # fmt: skip
            noun = "connection" if count == 1 else "connections"
            lines += [f"### {VERSION[era]} ({era}), {count} {noun}", "", *table(head, rows)]
    starts = [
        (
            BY_NAME[name].title,
            number(median(runs, "first_answer_ms")),
            number(median(runs, "idle_resident_bytes") / 1e6),
        )
        for name, runs in figures["start"].items()
    ]
    lines += [
        "### Cold start over HTTP",
        "",
        "From starting the process to its first answered call; memory right after it.",
        "",
    ]
    return lines + table(("server", "first answer ms", "resident MB"), starts)


def stdio(figures: dict[str, Any]) -> list[str]:
    lines = [
        "## stdio",
        "",
        f"Round trips one at a time, then calls with up to {figures['window']} in flight; medians.",
        "",
    ]
    head = (
        "server",
        "round trips/s",
        "p50 µs",
        "p99 µs",
        "CPU µs",
        "over the C echo",
        "pipelined calls/s",
        "CPU µs per call",
    )
    for era, load in figures["load"].items():
        rows = []
        for name, runs in load.items():
            ratio = paired_ratio(runs, load["c_echo"], "round_trips_per_s") if "c_echo" in load else None
            rows.append((
                BY_NAME[name].title,
                number(median(runs, "round_trips_per_s")),
                number(median(runs, "p50_us")),
                number(median(runs, "p99_us")),
                number(median(runs, "round_trip_cpu_us")),
                f"{number(ratio)}x" if ratio else "",
                number(median(runs, "calls_per_s")),
                number(median(runs, "call_cpu_us")),
            ))  # fmt: skip
        lines += [f"### {VERSION[era]} ({era})", "", *table(head, rows)]
    titles = {"bare_start": "Python that imports uvloop, msgspec, orjson and opens wasmtime"}
    bare = figures["start"]["bare_start"]
    starts = []
    for name, times in figures["start"].items():
        title = titles.get(name) or BY_NAME[name].title
        ratio = statistics.median(a / b for a, b in zip(times, bare, strict=True))
        starts.append((title, number(statistics.median(times)), f"{number(ratio)}x"))
    return [
        *lines,
        "### Cold start over stdio",
        "",
        *table(("server", "first answer ms", "over the bare Python"), starts),
    ]


def engine(figures: dict[str, Any]) -> list[str]:
    cases = (
        ("bare_capi", "fresh_sync_ns", "bare C API, plain calls, no interruption"),
        ("bare_capi", "fresh_async_ns", "bare C API, async calls with fuel yields and epochs"),
        ("mcpkit_c", "fresh_ns", "**mcpkit** from C, JSON to JSON"),
        ("mcpkit_python", "fresh_ns", "**mcpkit** from Python (`Tool.call`), JSON to JSON"),
        ("wasmtime_package", "fresh_ns", "`wasmtime` package, Python values"),
        ("wasmtime_package", "json_ns", "`wasmtime` package, JSON to JSON"),
    )
    ratio = goals.engine
    rows = [
        (title, number(median(figures[name], key) / 1e3),
         f"{number(ratio({'engine': figures}, (name, key), ('bare_capi', 'fresh_async_ns')))}x")
        for name, key, title in cases if name in figures
    ]  # fmt: skip
    lines = [
        "## Engine",
        "",
        "A fresh, metered instance of a component per call: instantiate, call an addition, drop.",
        "",
    ]
    lines += table(("through", "µs", "over the bare C API, async"), rows)
    units = figures["bare_capi"][0]["spin_units"]
    spins = (
        ("bare_capi", "spin_fuel_ns", "bare C API, fuel alone"),
        ("bare_capi", "spin_epoch_ns", "bare C API, fuel and epoch checks, nothing yields"),
        ("bare_capi", "spin_yielding_ns", "bare C API, fuel and epoch checks, a yield every 100,000 units"),
        ("mcpkit_c", "spin_ns", "**mcpkit**: slices on worker threads, rate samples"),
    )
    spun = [
        (title, number(median(figures[name], key) / 1e6),
         f"{number(ratio({'engine': figures}, (name, key), ('bare_capi', 'spin_epoch_ns')))}x",
         f"{number(ratio({'engine': figures}, (name, key), ('bare_capi', 'spin_fuel_ns')))}x")
        for name, key, title in spins if name in figures
    ]  # fmt: skip
    lines += [f"A tight loop of {units:,} fuel units in one call, the best of three:", ""]
    return lines + table(("through", "ms", "over fuel and epoch checks", "over fuel alone"), spun)


def fairness(figures: dict[str, Any]) -> list[str]:
    rows = [
        (title, number(median(figures[name], "p50_us")), number(median(figures[name], "p99_us")))
        for title, name in (
            ("alone", "alone"),
            ("beside one that spins and one that fills 64 MiB over and over", "beside"),
        )
    ]
    return [
        "## Small calls beside greedy ones",
        "",
        f"An addition over one HTTP connection, {figures['trips']:,} round trips at a time, medians of "
        f"{len(figures['alone'])} rounds; one worker.",
        "",
        *table(("the small call", "p50 µs", "p99 µs"), rows),
    ]


def rooms(groups: dict[str, Any]) -> list[str]:
    rows = []
    for group, subjects in sorted(groups.items()):
        reference = next((s["median_ns"] for s in subjects.values() if s.get("reference")), None)
        for name, figures in subjects.items():
            speed = f"{figures['bytes'] / figures['median_ns']:.2f}" if figures.get("bytes") else ""
            over = f"{number(reference / figures['median_ns'])}x" if reference and not figures.get("reference") else ""
            rows.append((group, name, number(figures["median_ns"]), speed, over))
    head = ("what", "through", "median ns", "GB/s", "speed over the reference")
    return ["## Rooms", "", "One call from Python each, by pytest-benchmark.", "", *table(head, rows)]


def text(results: Results) -> str:
    lines = [
        "# Benchmark results",
        "",
        f"Written by `{results['command']}`; do not edit. How to read and reproduce it: docs/performance.md.",
        "",
        *machine(results["machine"]),
        *(f"* Left out: {reason}" for reason in results["left_out"]),
        *[""] * bool(results["left_out"]),
        *verdicts(results),
    ]
    for section, write in (
        ("http", http),
        ("stdio", stdio),
        ("engine", engine),
        ("fairness", fairness),
        ("rooms", rooms),
    ):
        if section in results:
            lines += write(results[section])
    return "\n".join(lines).rstrip() + "\n"
