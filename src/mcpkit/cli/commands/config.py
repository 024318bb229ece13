"""mcpkit config: the configuration in force, and the schema that editors check it with."""

from __future__ import annotations

import argparse
import json

from mcpkit.cli import exits, options


def run(args: argparse.Namespace) -> int:
    if args.what == "schema":
        from mcpkit.config.json_schema import json_schema

        print(json.dumps(json_schema(), indent=2))
        return exits.OK
    from mcpkit.config.show import as_yaml, dumps

    loaded = options.loaded(args)
    print(dumps(loaded) if args.json else as_yaml(loaded))
    return exits.OK
