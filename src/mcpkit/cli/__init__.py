"""The command line: parse, call a library function, print. Each command is a module with ``run(args) -> int``."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from mcpkit.cli import exits


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status. `argv` without the program's name, by default the process's own."""
    from mcpkit.cli import parser

    grammar = parser.build()
    args = grammar.parse_args(parser.settle(list(sys.argv[1:] if argv is None else argv)))
    if args.version:
        from mcpkit import __version__

        print(f"mcpkit {__version__}")
        return exits.OK
    if args.command is None:
        grammar.print_help(sys.stderr)
        return exits.USAGE
    from mcpkit.cli.run import run

    return run(args)
