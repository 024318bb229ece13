"""mcpkit key: API keys for small set-ups."""

from __future__ import annotations

import argparse
import json
import re
import sys

from mcpkit.cli import exits
from mcpkit.cli.exits import CliError


def run(args: argparse.Namespace) -> int:
    from mcpkit.config.security import is_scope
    from mcpkit.security.api_keys import new_key

    if re.search(r"[\x00-\x1f\x7f]", args.name) or not args.name.strip():
        raise CliError("a key's name must be visible text")
    for scope in args.scope:
        if not is_scope(scope):
            raise CliError(f"{scope!r} is no scope: printable ASCII without spaces and quotes")
    made = new_key()
    entry = {"name": args.name, "hash": made.hash, **({"scopes": args.scope} if args.scope else {})}
    if args.json:
        print(json.dumps({"key": made.key, "entry": entry}, ensure_ascii=False))
        return exits.OK
    # JSON is YAML too, so that no name needs quoting rules of its own.
    print(
        "the key, shown this once; clients send it as `Authorization: Bearer KEY`. The configuration has its hash:\n\n"
        f"security:\n  api_keys:\n    - {json.dumps(entry, ensure_ascii=False)}\n",
        file=sys.stderr,
    )
    print(made.key)
    return exits.OK
