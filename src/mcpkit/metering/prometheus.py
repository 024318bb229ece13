"""What the calls of tools amount to, in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BOUNDS = ("0.0001", "0.001", "0.01", "0.1", "1", "10", "100", "+Inf")
"""Seconds: upper bounds of the buckets of durations."""


def exposition(tools: Iterable[tuple[str, Mapping[str, object]]], gauges: Mapping[str, tuple[str, float]]) -> str:
    """The page. `tools`: name and totals, as `mcpkit.core.wasm.Tool.totals` gives them; without units, memory and rate
    for tools that have no fuel to count. `gauges`: name, help and value.
    """
    calls, units, memory, rates, warned, durations = [], [], [], [], [], []
    for name, totals in sorted(tools, key=lambda tool: tool[0]):
        label = f'tool="{_escaped(name)}"'
        by_status = totals["calls"]
        assert isinstance(by_status, Mapping)
        for status, count in sorted(by_status.items()):
            calls.append(f'mcpkit_tool_calls_total{{{label},status="{status}"}} {count}')
        if "units" in totals:
            units.append(f"mcpkit_tool_compute_units_total{{{label}}} {totals['units']}")
            memory.append(f"mcpkit_tool_memory_peak_bytes{{{label}}} {totals['most_memory']}")
            rates.append(f"mcpkit_tool_peak_rate{{{label}}} {totals['peak_rate']}")
            warned.append(f"mcpkit_tool_warnings_total{{{label}}} {totals['warned']}")
        durations += _histogram(label, totals)
    page = [
        *_family("mcpkit_tool_calls_total", "counter", "Ended calls, by how they ended.", calls),
        *_family("mcpkit_tool_compute_units_total", "counter", "Compute units of ended calls.", units),
        *_family("mcpkit_tool_warnings_total", "counter", "Calls that crossed a soft limit.", warned),
        *_family("mcpkit_tool_duration_seconds", "histogram", "From start to end of a call.", durations),
        *_family("mcpkit_tool_memory_peak_bytes", "gauge", "Largest memory of any call; 0: cannot be read.", memory),
        *_family("mcpkit_tool_peak_rate", "gauge", "Highest rate of any call, in compute units per second.", rates),
    ]
    for name, (text, value) in gauges.items():
        page += _family(name, "gauge", text, [f"{name} {value:g}"])
    return "\n".join(page) + "\n"


def _histogram(label: str, totals: Mapping[str, object]) -> list[str]:
    buckets, wall = totals["buckets"], totals["wall_ns"]
    assert isinstance(buckets, list)
    assert isinstance(wall, int)
    lines, count = [], 0
    for bound, more in zip(BOUNDS, buckets, strict=True):
        count += more
        lines.append(f'mcpkit_tool_duration_seconds_bucket{{{label},le="{bound}"}} {count}')
    lines.append(f"mcpkit_tool_duration_seconds_sum{{{label}}} {wall / 1e9:.9f}")
    lines.append(f"mcpkit_tool_duration_seconds_count{{{label}}} {count}")
    return lines


def _family(name: str, kind: str, text: str, lines: list[str]) -> list[str]:
    return [f"# HELP {name} {text}", f"# TYPE {name} {kind}", *lines] if lines else []


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
