"""``runtime.wasm.metering``: compute accounting, its limits and quotas."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from mcpkit.config.convert import Fraction, Range
from mcpkit.config.section import ComputeUnits, Count, Section, Size, Text

DisplayFormat = Literal["minimal", "detailed", "json", "progress", "progress_bar"]


class MemoryLimits(Section, frozen=True, kw_only=True):
    """What one call may hold, and how many instances a tool may have."""

    max_memory: Size | None = None
    soft_limit: Size | None = None
    """Bytes at which a call is warned about."""
    max_tables: Count | None = None
    """Of one instance."""
    max_instances: Count | None = None
    """Live instances of one tool."""


class UnitLimits(Section, frozen=True, kw_only=True):
    """Compute units at which a call is warned about, and at which it is stopped."""

    soft_limit: ComputeUnits | None = None
    hard_limit: ComputeUnits | None = None


class WarningThreshold(Section, frozen=True, kw_only=True):
    """When the warning is due."""

    threshold: Annotated[float, Fraction()] = 0.8
    """Share of the limit."""


class WarningEnforcement(Section, frozen=True, kw_only=True):
    """Warn when a call passes a share of its limit, and let it go on."""

    warning: WarningThreshold = WarningThreshold()


class Sampling(Section, frozen=True, kw_only=True):
    """How often a running call is looked at: rate samples and live display."""

    unit_threshold: ComputeUnits = 100_000
    time_threshold_ms: Annotated[int, Range(1, 3_600_000)] = 100
    adaptive: bool = True
    """Widen the unit threshold for fast guests, so that samples are about `time_threshold_ms` apart."""


class Allowance(Section, frozen=True, kw_only=True):
    """Compute units per calendar minute, hour and day (UTC)."""

    per_minute: ComputeUnits | None = None
    per_hour: ComputeUnits | None = None
    per_day: ComputeUnits | None = None


class NamedAllowance(Allowance, frozen=True, kw_only=True):
    """The allowance of each tool, or caller, that a glob means."""

    name: Text


class Quotas(Allowance, frozen=True, kw_only=True):
    """What may be used in a time: by the server as a whole, and by each tool and each caller."""

    per_request: ComputeUnits | None = None
    per_tool: Allowance | None = None
    """Of each tool that no entry of `tools` means."""
    per_caller: Allowance | None = None
    """Of each caller that no entry of `callers` means."""
    tools: tuple[NamedAllowance, ...] = ()
    callers: tuple[NamedAllowance, ...] = ()
    store: Path | None = None
    """Folder of the counters; by default in the user's state folder."""


class Metering(Section, frozen=True, kw_only=True):
    """Compute accounting. What is set here counts while `enabled` is true."""

    enabled: bool = True
    max_compute_units: ComputeUnits | None = None
    display_format: DisplayFormat = "minimal"
    enable_monitoring: bool = False
    """Live updates on the terminal while calls run."""
    log_calls: bool = False
    """A line of the log for each tool call that has ended: who, which tool, how it ended, what it used."""
    sampling: Sampling = Sampling()
    memory_limits: MemoryLimits = MemoryLimits()
    limits: UnitLimits = UnitLimits()
    quotas: Quotas = Quotas()
    enforcement: Literal["strict", "tracking", "warning"] | WarningEnforcement = "strict"
