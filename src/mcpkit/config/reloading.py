"""What of a configuration may change while a server runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from mcpkit.config.convert import is_section
from mcpkit.config.schema import Config

_METERING = "runtime.wasm.metering"
_LIVE = (
    "version",
    "metadata",
    "server.log_level",
    "server.log_format",
    "runtime.inline",
    "runtime.limits.cpu",
    "runtime.limits.memory",
    "runtime.limits.execution_time",
    "runtime.limits.max_result_size",
    "runtime.limits.max_output_size",
    "runtime.wasm.module_path",
    "runtime.wasm.modules",
    "runtime.wasm.fuel",
    "runtime.wasm.memory_pages",
    f"{_METERING}.enabled",
    f"{_METERING}.max_compute_units",
    f"{_METERING}.display_format",
    f"{_METERING}.sampling",
    f"{_METERING}.memory_limits",
    f"{_METERING}.limits",
    f"{_METERING}.quotas.per_request",
    f"{_METERING}.enforcement",
    "mcp.tools",
)
"""Keys, and all below them, that a running server takes over. Everything else was built in when it started."""


def needs_restart(old: Config, new: Config) -> list[str]:
    """The keys that differ and cannot be taken over by a server that runs."""
    changed = _changed(old, new, "")
    return [key for key in changed if not any(key == live or key.startswith(f"{live}.") for live in _LIVE)]


def _changed(old: Any, new: Any, path: str) -> Iterator[str]:
    if old == new:
        return
    if type(old) is type(new) and is_section(type(old)):
        for field in msgspec.structs.fields(type(old)):
            here = f"{path}.{field.encode_name}" if path else field.encode_name
            yield from _changed(getattr(old, field.name), getattr(new, field.name), here)
    else:
        yield path
