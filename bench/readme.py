"""The few figures that README.md shows, from the raw results of a full run."""

from __future__ import annotations

from typing import Any

from bench import report
from bench.paths import ROOT
from bench.peers import BY_NAME

README = ROOT / "README.md"
BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"
SERVERS = ("bare_uvloop", "mcpkit", "go_sdk", "python_sdk")
CONNECTIONS = "32"


def update(results: dict[str, Any]) -> None:
    """Replace what stands between the marks."""
    before, rest = README.read_text().split(BEGIN)
    _, after = rest.split(END)
    README.write_text(before + BEGIN + text(results) + END + after)


def text(results: dict[str, Any]) -> str:
    facts = results["machine"]
    load = results["http"]["load"]["modern"]
    rows = []
    for name in SERVERS:
        if name not in load:
            continue
        runs = load[name][CONNECTIONS]
        rows.append(
            (
                BY_NAME[name].title,
                report.number(report.median(runs, "requests_per_s")),
                report.number(report.median(runs, "p50_us")),
                report.number(report.median(runs, "cpu_us")),
            )
        )
    head = ("server", "requests/s", "median µs", "CPU µs per request")
    lines = [
        f"`tools/call` over HTTP, one process on one processor, {CONNECTIONS} connections, revision 2026-07-28; mcpkit "
        "in a fresh, metered sandbox per call, the SDKs with a native tool and no sandbox. "
        f"{facts['processor']}, {facts['date']}, commit {facts['commit']}:",
        "",
        *report.table(head, rows),
    ]
    return "\n".join(lines) + "\n"
