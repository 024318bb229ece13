"""Runs one parsed command and turns what goes wrong into a message and an exit status."""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from mcpkit.cli import exits
from mcpkit.cli.exits import CliError
from mcpkit.cli.terminal import complain


def run(args: argparse.Namespace) -> int:
    """The exit status of the command that `args` names."""
    try:
        command = importlib.import_module(f"mcpkit.cli.commands.{args.command}")
        status: int = command.run(args)
        sys.stdout.flush()
        return status
    except CliError as error:
        complain(str(error))
        return error.status
    except KeyboardInterrupt:
        return exits.INTERRUPTED
    except BrokenPipeError:
        # The reader went away (`mcpkit tools … | head`): nobody to tell. Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return exits.OK
