"""Compute usage as text: one line, a report, JSON, or a bar."""

from __future__ import annotations

from collections.abc import Callable

from mcpkit.metering.usage import Usage

_SUFFIXES = ("", "K", "M", "B", "T")


def abbreviated(count: float) -> str:
    """``999``, ``1.5K``, ``1.2M``, ``2.5B``: one digit after the point from a thousand on."""
    if count < 999.5:
        return f"{count:.0f}"
    scaled, step = float(count), 0
    # 999 950 rounds to 1000.0K, which reads as 1.0M.
    while scaled >= 999.95 and step < len(_SUFFIXES) - 1:
        scaled, step = scaled / 1000, step + 1
    return f"{scaled:.1f}{_SUFFIXES[step]}"


def compact(count: float) -> str:
    """The same without ``.0``: ``8M``, ``1.5K``."""
    text = abbreviated(count)
    return text[:-3] + text[-1] if text[-3:-1] == ".0" else text


def grouped(count: int) -> str:
    """``1,234,567``."""
    return f"{count:,}"


def scientific(count: int) -> str:
    """``1.235e6``: three digits after the point, a bare exponent."""
    mantissa, _, exponent = f"{count:.3e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def rate(per_second: float) -> str:
    """``82.3M/s``; ``n/a`` for a call too short to tell."""
    return f"{abbreviated(per_second)}/s" if per_second > 0 else "n/a"


def seconds(nanoseconds: int) -> str:
    """``0.043s``; below a millisecond with six digits."""
    return f"{nanoseconds / 1e9:.{3 if nanoseconds >= 1_000_000 else 6}f}s"


def minimal(usage: Usage) -> str:
    """``⚡ 1.2M CU``."""
    return f"⚡ {abbreviated(usage.units)} CU"


def live(units: int, per_second: float) -> str:
    """``⚡ 1.2M CU @ 82.3M/s``, for a call that is still running."""
    return f"⚡ {abbreviated(units)} CU @ {rate(per_second)}"


def detailed(usage: Usage) -> str:
    """The multi-line report."""
    title = "Compute Usage Report"
    rows = (
        ("Total:", f"{grouped(usage.units)} CU"),
        ("Abbreviated:", f"{abbreviated(usage.units)} CU"),
        ("Scientific:", f"{scientific(usage.units)} CU"),
        ("Time:", seconds(usage.wall_ns)),
        ("Rate (avg):", rate(usage.mean_rate)),
        ("Rate (peak):", rate(usage.peak_rate)),
    )
    return "\n".join([title, "=" * len(title), *(f"{label:<13}{value}" for label, value in rows)])


def as_json(usage: Usage) -> str:
    """One JSON object on one line. Rates are CU per second, and absent where the call was too short to tell."""
    import json

    whole, rest = divmod(usage.wall_ns, 1_000_000_000)
    out: dict[str, object] = {"compute_units": usage.units, "execution_time": {"secs": whole, "nanos": rest}}
    if usage.mean_rate > 0:
        out["units_per_second"] = usage.mean_rate
    if usage.peak_rate > 0:
        out["peak_rate"] = usage.peak_rate
    if usage.memory_bytes:
        out["memory_bytes"] = usage.memory_bytes
    if usage.max_units:
        out["max_compute_units"] = usage.max_units
    return json.dumps(out)


def progress(usage: Usage, width: int = 8) -> str:
    """``[██████░░] 80% 8M CU``: the share of the limit; without a limit the same as `minimal`."""
    if not usage.max_units:
        return minimal(usage)
    # Full only when the limit is reached, so that the bar never claims more than was used.
    used = min(usage.units, usage.max_units)
    filled = used * width // usage.max_units
    percent = used * 100 // usage.max_units
    return f"[{'█' * filled}{'░' * (width - filled)}] {percent}% {compact(usage.units)} CU"


FORMATS: dict[str, Callable[[Usage], str]] = {
    "minimal": minimal,
    "detailed": detailed,
    "json": as_json,
    "progress": progress,
    "progress_bar": progress,
}


def show(usage: Usage, form: str = "minimal") -> str:
    """`usage` in one of FORMATS; KeyError for another name."""
    return FORMATS[form](usage)
