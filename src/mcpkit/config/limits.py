"""What a call may use, once every key and flag has been looked at."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from mcpkit.config.metering import WarningEnforcement
from mcpkit.config.policy import Policy
from mcpkit.config.schema import Config

DEFAULT_UNITS = 1_000_000_000
DEFAULT_MEMORY = 512 << 20
DEFAULT_TIMEOUT_NS = 60_000_000_000

PAGE = 65536


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one call of one tool."""

    enforcement: Literal["strict", "warning", "tracking"] = "strict"
    max_units: int = DEFAULT_UNITS
    """Compute units; 0: none (only while tracking)."""
    units_from: str = ""
    """The key, or flag, that made `max_units` what it is; empty: the default."""
    warn_units: int = 0
    """Compute units at which a warning is due; 0: none."""
    max_memory: int = DEFAULT_MEMORY
    """Bytes of one linear memory."""
    timeout_ns: int = DEFAULT_TIMEOUT_NS
    """Wall clock, waiting included."""
    warn_memory: int = 0
    """Bytes at which a warning is due; 0: none."""
    max_tables: int = 0
    """Of one instance; 0: the engine's own."""
    max_instances: int = 0
    """Live instances of one tool; 0: no own limit."""
    cpu: int = 0
    """Thousandths of one processor that one tool may use, averaged over a second; 0: no limit."""
    max_result: int = 0
    """Bytes of a result; 0: the engine's own."""
    max_output: int = 0
    """Bytes of diagnostics that are kept of a call; 0: the engine's own."""
    sample_units: int = 100_000
    sample_ns: int = 100_000_000
    """A rate sample spans this many units or this much time, whichever comes first."""
    sample_adaptive: bool = True
    inline: Literal["auto", "never"] = "auto"

    def override(
        self, *, max_units: int | None = None, max_memory: int | None = None, timeout_ns: int | None = None
    ) -> Limits:
        """These limits with what the command line says instead. A compute limit given there is always strict."""
        changes: dict[str, Any] = {}
        if max_units is not None:
            changes |= {"max_units": max_units, "units_from": "--max-compute-units", "enforcement": "strict"}
            if self.warn_units > max_units:
                changes["warn_units"] = 0
        if max_memory is not None:
            changes["max_memory"] = max_memory
        if timeout_ns is not None:
            changes["timeout_ns"] = timeout_ns
        return msgspec.structs.replace(self, **changes)


def effective_limits(config: Config) -> Limits:
    """What a configuration amounts to: of several keys for one limit the smallest wins; without any, the default."""
    wasm, limits = config.runtime.wasm, config.runtime.limits
    metering = wasm.metering if wasm.metering.enabled else type(wasm.metering)()
    given = {
        "runtime.wasm.metering.max_compute_units": metering.max_compute_units,
        "runtime.wasm.metering.limits.hard_limit": metering.limits.hard_limit,
        "runtime.wasm.metering.quotas.per_request": metering.quotas.per_request,
        "runtime.wasm.fuel": wasm.fuel,
    }
    units = _smallest(DEFAULT_UNITS, *given.values())
    units_from = next((key for key, value in given.items() if value == units), "")
    pages = wasm.memory_pages * PAGE if wasm.memory_pages is not None else None
    warn = metering.limits.soft_limit or 0
    match metering.enforcement:
        case WarningEnforcement(warning=warning):
            enforcement: Literal["strict", "warning", "tracking"] = "warning"
            warn = _smallest(0, int(units * warning.threshold) or 1, metering.limits.soft_limit)
        case "warning":
            enforcement = "warning"
            warn = _smallest(0, int(units * 0.8) or 1, metering.limits.soft_limit)
        case "tracking":
            enforcement, units, units_from = "tracking", 0, ""
        case _:
            enforcement = "strict"
    found = Limits(
        enforcement=enforcement,
        max_units=units,
        units_from=units_from,
        warn_units=warn,
        max_memory=_smallest(DEFAULT_MEMORY, metering.memory_limits.max_memory, limits.memory, pages),
        timeout_ns=_smallest(DEFAULT_TIMEOUT_NS, limits.execution_time),
        warn_memory=metering.memory_limits.soft_limit or 0,
        max_tables=metering.memory_limits.max_tables or 0,
        max_instances=metering.memory_limits.max_instances or 0,
        cpu=limits.cpu or 0,
        max_result=limits.max_result_size or 0,
        max_output=limits.max_output_size or 0,
        sample_units=metering.sampling.unit_threshold,
        sample_ns=metering.sampling.time_threshold_ms * 1_000_000,
        sample_adaptive=metering.sampling.adaptive,
        inline=config.runtime.inline,
    )
    return under_policy(found, config.policy)


def under_policy(limits: Limits, policy: Policy | None) -> Limits:
    """These limits where they are the tighter ones, else the policy's; a compute limit of a policy is always strict."""
    if policy is None:
        return limits
    own = policy.core.resources.limits
    changes: dict[str, Any] = {
        "max_memory": _smallest(limits.max_memory, limits.max_memory, own.memory),
        "timeout_ns": _smallest(limits.timeout_ns, limits.timeout_ns, own.execution_time),
        "cpu": _smallest(0, limits.cpu or None, own.cpu),
    }
    if own.fuel is not None:
        units = _smallest(own.fuel, limits.max_units or None, own.fuel)
        warn = limits.warn_units if limits.warn_units <= units else 0
        changes |= {"max_units": units, "enforcement": "strict", "warn_units": warn}
        if units != limits.max_units:
            changes["units_from"] = "policy.core.resources.limits.fuel"
    return msgspec.structs.replace(limits, **changes)


def _smallest(default: int, *given: int | None) -> int:
    return min((value for value in given if value is not None), default=default)
