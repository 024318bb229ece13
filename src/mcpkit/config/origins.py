"""Which key decided each limit, and where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

import msgspec

from mcpkit.config.limits import PAGE, Limits
from mcpkit.config.load import Loaded

_METERING = "runtime.wasm.metering"
_KEYS: dict[str, tuple[str, ...]] = {
    "enforcement": (f"{_METERING}.enforcement",),
    "max_units": (f"{_METERING}.enforcement",),  # where there is none; else the limits themselves name the key
    "warn_units": (f"{_METERING}.limits.soft_limit", f"{_METERING}.enforcement"),
    "max_memory": (f"{_METERING}.memory_limits.max_memory", "runtime.limits.memory", "runtime.wasm.memory_pages"),
    "timeout_ns": ("runtime.limits.execution_time",),
    "warn_memory": (f"{_METERING}.memory_limits.soft_limit",),
    "max_tables": (f"{_METERING}.memory_limits.max_tables",),
    "max_instances": (f"{_METERING}.memory_limits.max_instances",),
    "cpu": ("runtime.limits.cpu",),
    "max_result": ("runtime.limits.max_result_size",),
    "max_output": ("runtime.limits.max_output_size",),
    "sample_units": (f"{_METERING}.sampling.unit_threshold",),
    "sample_ns": (f"{_METERING}.sampling.time_threshold_ms",),
    "sample_adaptive": (f"{_METERING}.sampling.adaptive",),
    "inline": ("runtime.inline",),
}
_POLICY = {
    name: f"policy.core.resources.limits.{key}"
    for name, key in {
        "max_units": "fuel",
        "enforcement": "fuel",
        "max_memory": "memory",
        "timeout_ns": "execution_time",
        "cpu": "cpu",
    }.items()
}
_SCALES = {"runtime.wasm.memory_pages": PAGE, f"{_METERING}.sampling.time_threshold_ms": 1_000_000}


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a limit comes from."""

    where: str = "default"
    """``file:line``, ``environment variable NAME``, ``flag --NAME`` or ``default``."""
    key: str = ""

    def __str__(self) -> str:
        return f"{self.where} ({self.key})" if self.key else self.where


def limit_origins(loaded: Loaded, limits: Limits, flags: Mapping[str, str]) -> dict[str, Origin]:
    """The origin of every limit. `flags`: the option by the limit that it sets."""
    found: dict[str, Origin] = {}
    for field in msgspec.structs.fields(Limits):
        name = field.name
        if name == "units_from":
            continue
        policys = _by_policy(loaded, limits, name)
        if policys is not None:
            found[name] = policys
            continue
        if name in flags:
            found[name] = Origin(f"flag {flags[name]}")
            continue
        key = limits.units_from if name == "max_units" and limits.max_units else _deciding(loaded, limits, name)
        found[name] = Origin(loaded.origins[key], key) if key in loaded.origins else Origin()
    return found


def _by_policy(loaded: Loaded, limits: Limits, name: str) -> Origin | None:
    """The policy's, where no flag and no other key is tighter. A limit of units there makes the limit strict."""
    key = _POLICY.get(name)
    policy = loaded.config.policy
    if key is None or policy is None or key not in loaded.origins:
        return None
    own: int = getattr(policy.core.resources.limits, key.rpartition(".")[2])
    value = limits.max_units if name == "enforcement" else getattr(limits, name)
    return Origin(loaded.origins[key], key) if own == value else None


def _deciding(loaded: Loaded, limits: Limits, limit: str) -> str:
    """The key whose value the limit is; empty where none is."""
    config, value = loaded.config, getattr(limits, limit)
    counts = [key for key in _KEYS.get(limit, ()) if key in loaded.origins and _counts(loaded, key)]
    for key in counts:
        said: Any = reduce(getattr, key.split("."), config)
        if key.endswith(".enforcement"):
            # Tracking lifts the compute limit, a threshold makes the warning: both are its doing.
            return key if limit != "warn_units" or value else ""
        if (said * _SCALES[key] if key in _SCALES else said) == value:
            return key
    return ""


def _counts(loaded: Loaded, key: str) -> bool:
    return loaded.config.runtime.wasm.metering.enabled or not key.startswith(_METERING)
