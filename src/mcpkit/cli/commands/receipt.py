"""mcpkit receipt: make keys for receipts, and check signatures."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mcpkit.cli import exits
from mcpkit.cli.exits import CliError
from mcpkit.metering.receipt import ReceiptError, new_key, read, verify


def run(args: argparse.Namespace) -> int:
    if args.action == "keygen":
        return _keygen(args)
    if not args.key:
        raise CliError("name the public key: --key KEY (what keygen printed, or a file with it)")
    public = _public(args.key)
    failures = {}
    for name in args.files:
        try:
            verify(read(Path(name)), public)
        except ReceiptError as error:
            failures[name] = str(error).removeprefix(f"{name}: ")
    if args.json:
        print(
            json.dumps(
                [{"receipt": name, "valid": name not in failures, "why": failures.get(name)} for name in args.files]
            )
        )
    else:
        for name in args.files:
            print(f"{name}: {failures.get(name, 'signed by this key, and unchanged')}")
    return exits.DIFFERS if failures else exits.OK


def _keygen(args: argparse.Namespace) -> int:
    if len(args.files) != 1:
        raise CliError("name one file: mcpkit receipt keygen FILE")
    try:
        public = new_key(Path(args.files[0]))
    except ReceiptError as error:
        raise CliError(str(error), exits.CANNOT_LOAD) from None
    print(public)
    return exits.OK


def _public(text: str) -> str:
    path = Path(text)
    try:
        return path.read_text().strip() if path.is_file() else text
    except OSError as error:
        raise CliError(f"{path}: {error.strerror or error}", exits.CANNOT_LOAD) from None
