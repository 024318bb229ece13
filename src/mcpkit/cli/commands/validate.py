"""mcpkit validate: check a configuration, print its effective limits."""

from __future__ import annotations

import argparse
import json
import sys

import msgspec

from mcpkit.cli import exits, options
from mcpkit.cli.terminal import complain
from mcpkit.config import Config, ConfigError, Limits, effective_limits, load
from mcpkit.config.units import show_duration, show_size


def run(args: argparse.Namespace) -> int:
    try:
        config = load(args.config)
    except ConfigError as error:
        if args.json:
            problems = [msgspec.to_builtins(problem) for problem in error.problems]
            print(json.dumps({"valid": False, "problems": problems}, indent=2))
        else:
            count = len(error.problems)
            print(error, file=sys.stderr)
            complain(f"{args.config}: {count} problem{'s' if count > 1 else ''}")
        return exits.CANNOT_LOAD
    if config.policy is not None:
        options.evaluator(config.policy)  # what is wrong with schemas in it is found out here
    limits = effective_limits(config)
    if args.json:
        print(json.dumps({"valid": True, "limits": msgspec.to_builtins(limits)}, indent=2))
    else:
        print("\n".join(_report(args.config, config, limits)))
    return exits.OK


def _report(name: str, config: Config, limits: Limits) -> list[str]:
    def count(number: int, none: str) -> str:
        return f"{number:,}" if number else none

    where = f"http://{config.server.bind}:{config.server.port}/mcp" if config.transport.type == "http" else "stdio"
    rows = [
        ("server", f"{config.server.name} on {where}"),
        ("modules", ", ".join(f"{module.label} ({module.path})" for module in config.modules()) or "none"),
        ("described tools", ", ".join(tool.name for tool in config.mcp.tools) or "none"),
    ]
    effective = [
        ("enforcement", limits.enforcement),
        ("compute units", count(limits.max_units, "no limit")),
        ("warning at", count(limits.warn_units, "never")),
        ("memory", f"{show_size(limits.max_memory)} ({limits.max_memory:,} bytes)"),
        ("wall clock", show_duration(limits.timeout_ns)),
    ]
    lines = [f"{name}: valid", *(f"  {key:<16}{value}" for key, value in rows), "effective limits of one call:"]
    return lines + [f"  {key:<16}{value}" for key, value in effective]
