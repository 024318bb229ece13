"""mcpkit cache: the folder of compiled code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mcpkit.cli import exits
from mcpkit.cli.exits import CliError


def run(args: argparse.Namespace) -> int:
    from mcpkit.wasm.cache import CodeCache
    from mcpkit.wasm.errors import CacheFolderError

    cache = CodeCache(Path(args.cache_dir) if args.cache_dir is not None else None)
    try:
        if args.clear:
            removed = cache.clear()
            print(json.dumps({"removed": removed}) if args.json else f"removed {_programs(removed)}")
            return exits.OK
        stats = cache.stats()
    except CacheFolderError as error:
        raise CliError(str(error), exits.CANNOT_LOAD) from None
    if args.json:
        print(json.dumps({**stats._asdict(), "folder": str(stats.folder)}))
    else:
        mib = 1 << 20
        print(f"{stats.folder}: {_programs(stats.entries)}, {stats.bytes / mib:.1f} of {stats.max_bytes / mib:.0f} MiB")
    return exits.OK


def _programs(count: int) -> str:
    return f"{count} compiled program{'' if count == 1 else 's'}"
