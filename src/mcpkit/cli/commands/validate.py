"""mcpkit validate: check a configuration, print its effective limits and where each comes from."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from functools import reduce

import msgspec

from mcpkit.cli import exits, options
from mcpkit.cli.terminal import complain, paint
from mcpkit.config import Config, ConfigError, Limits, Loaded, Origin, gather, limit_origins
from mcpkit.config.units import show_duration, show_size

_SHARED = {
    "calls per minute": "runtime.limits.max_requests_per_minute",
    "instances at once": "runtime.limits.max_concurrent_requests",
    "units per minute": "runtime.wasm.metering.quotas.per_minute",
    "units per hour": "runtime.wasm.metering.quotas.per_hour",
    "units per day": "runtime.wasm.metering.quotas.per_day",
}
"""Limits of all calls together, shown where they are set."""


def run(args: argparse.Namespace) -> int:
    args.config = [*(args.config or ()), *args.files]
    paths = options.config_files(args)
    name = ", ".join(map(str, paths)) or "no file"
    try:
        loaded = gather(paths)
    except ConfigError as error:
        if args.json:
            problems = [msgspec.to_builtins(problem) for problem in error.problems]
            print(json.dumps({"valid": False, "problems": problems}, indent=2))
        else:
            count = len(error.problems)
            print(error, file=sys.stderr)
            complain(f"{name}: {count} problem{'s' if count > 1 else ''}")
        return exits.CANNOT_LOAD
    if loaded.config.policy is not None:
        options.evaluator(loaded.config.policy)  # what is wrong with schemas in it is found out here
    limits = options.limits(args, loaded.config)
    origins = limit_origins(loaded, limits, options.limit_flags(args))
    if args.json:
        print(json.dumps(_as_json(loaded, limits, origins), indent=2))
        return exits.OK
    for warning in loaded.warnings:
        print(f"{paint('warning:', '33', sys.stderr)} {warning}", file=sys.stderr)
    print("\n".join(_report(name, loaded, limits, origins)))
    return exits.OK


def _as_json(loaded: Loaded, limits: Limits, origins: dict[str, Origin]) -> dict[str, object]:
    return {
        "valid": True,
        "files": [str(path) for path in loaded.files],
        "limits": msgspec.to_builtins(limits),
        "origins": msgspec.to_builtins(origins),
        "warnings": msgspec.to_builtins(loaded.warnings),
    }


def _report(name: str, loaded: Loaded, limits: Limits, origins: dict[str, Origin]) -> Iterator[str]:
    config = loaded.config
    where = "stdio"
    if config.transport.type != "stdio":
        scheme = "http" if config.transport.settings.tls is None else "https"
        where = f"{scheme}://{config.server.bind}:{config.server.port}/mcp"
    yield f"{name}: valid"
    rows = [
        ("server", f"{config.server.name} on {where}"),
        ("modules", ", ".join(f"{module.label} ({module.path})" for module in config.modules()) or "none"),
        ("described tools", ", ".join(tool.name for tool in config.mcp.tools) or "none"),
    ]
    yield from (f"  {key:<18}{value}" for key, value in rows)
    yield "effective limits of one call:"
    for key, value, limit in _of_one_call(limits):
        yield f"  {key:<18}{value:<30}{origins[limit]}"
    shared = [(key, path) for key, path in _SHARED.items() if loaded.origins.get(path)]
    if shared:
        yield "limits of all calls together:"
    for key, path in shared:
        yield f"  {key:<18}{_at(config, path):<30,}{loaded.origins[path]} ({path})"


def _of_one_call(limits: Limits) -> list[tuple[str, str, str]]:
    """Name, value and field of every limit."""

    def count(number: int, none: str) -> str:
        return f"{number:,}" if number else none

    def size(number: int, none: str) -> str:
        return f"{show_size(number)} ({number:,} bytes)" if number else none

    return [
        ("enforcement", limits.enforcement, "enforcement"),
        ("compute units", count(limits.max_units, "no limit"), "max_units"),
        ("warning at", count(limits.warn_units, "never"), "warn_units"),
        ("memory", size(limits.max_memory, "no limit"), "max_memory"),
        ("memory warning at", size(limits.warn_memory, "never"), "warn_memory"),
        ("wall clock", show_duration(limits.timeout_ns), "timeout_ns"),
        ("tables", count(limits.max_tables, "the engine's own"), "max_tables"),
        ("instances", count(limits.max_instances, "the engine's own"), "max_instances"),
        ("processor share", f"{limits.cpu}m" if limits.cpu else "no limit", "cpu"),
        ("result", size(limits.max_result, "the engine's own"), "max_result"),
        ("diagnostics kept", size(limits.max_output, "the engine's own"), "max_output"),
    ]


def _at(config: Config, path: str) -> int:
    value: int = reduce(getattr, path.split("."), config)  # type: ignore[assignment]
    return value
