"""mcpkit quotas: what was used of each quota in the running minute, hour and day."""

from __future__ import annotations

import argparse
import json

import msgspec

from mcpkit.application import open_quotas
from mcpkit.cli import exits, options
from mcpkit.cli.exits import CliError
from mcpkit.metering.ledger import LedgerError
from mcpkit.metering.quotas import Line

_TITLES = ("scope", "name", "quota", "used", "of", "begins anew")


def run(args: argparse.Namespace) -> int:
    config = options.config(args)
    if config is None:
        raise CliError("name a configuration: mcpkit quotas --config FILE")
    try:
        policy = options.evaluator(config.policy) if config.policy is not None else None
        quotas = open_quotas(config, policy)
    except LedgerError as error:
        raise CliError(str(error), exits.CANNOT_LOAD) from None
    lines: list[Line] = []
    if quotas is not None:
        with quotas.ledger:
            lines = list(quotas.lines())
    if args.json:
        print(json.dumps([msgspec.to_builtins(line) for line in lines], indent=2))
    elif quotas is None:
        print("no quotas; they are runtime.wasm.metering.quotas and runtime.limits")
    else:
        print("\n".join(_table(lines)))
    return exits.OK


def _table(lines: list[Line]) -> list[str]:
    rows = [_TITLES]
    for line in lines:
        quota = f"{line.kind} per {line.window}"
        rows.append((line.scope, line.name, quota, f"{line.used:,}", f"{line.limit:,}", line.resets_at))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_TITLES))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
