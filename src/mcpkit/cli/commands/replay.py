"""mcpkit replay: do recorded calls again, and say where they differ."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from mcpkit.cli import exits
from mcpkit.cli.exits import CliError
from mcpkit.cli.outcome import harmless
from mcpkit.cli.terminal import paint
from mcpkit.core.digest import sha256
from mcpkit.core.wasm import WasmError
from mcpkit.guests.receipts import tool_of
from mcpkit.metering.receipt import Receipt, ReceiptError, read, unpacked
from mcpkit.metering.recorder import MODULES
from mcpkit.wasm import Runtime, WasmRuntimeError


class Outcome(msgspec.Struct, frozen=True):
    """What came of one receipt."""

    receipt: str
    tool: str
    state: str
    """``same``, ``differs``, ``skipped`` or ``failed``."""
    differences: tuple[str, ...] = ()


def run(args: argparse.Namespace) -> int:
    paths = list(_files(args.paths))
    if not paths:
        raise CliError("there are no receipts there")
    outcomes: list[Outcome] = []
    runtimes: dict[bool, Runtime] = {}
    try:
        for number, path in enumerate(paths, 1):
            if sys.stderr.isatty() and not args.json:
                print(f"\rreplaying {number} of {len(paths)}\x1b[K", end="", file=sys.stderr, flush=True)
            outcome = _replay(path, runtimes)
            outcomes.append(outcome)
            if not args.json:
                _show(outcome)
    finally:
        for runtime in runtimes.values():
            runtime.close()
    if args.json:
        print(json.dumps([msgspec.to_builtins(one) for one in outcomes], indent=2))
    else:
        counts = {
            state: sum(one.state == state for one in outcomes) for state in ("same", "differs", "skipped", "failed")
        }
        print(", ".join(f"{count} {state}" for state, count in counts.items() if count))
    if any(one.state == "failed" for one in outcomes):
        return exits.CANNOT_LOAD
    return exits.DIFFERS if any(one.state == "differs" for one in outcomes) else exits.OK


def _files(paths: Iterable[str]) -> Iterator[Path]:
    for name in paths:
        path = Path(name)
        if path.is_dir():
            yield from sorted(one for one in path.glob("*.json") if not one.name.startswith("."))
        elif path.is_file():
            yield path
        else:
            raise CliError(f"there is no {path}", exits.CANNOT_LOAD)


def _replay(path: Path, runtimes: dict[bool, Runtime]) -> Outcome:
    try:
        receipt = read(path)
        if not receipt.reproducible:
            return Outcome(str(path), receipt.tool.name, "skipped", (receipt.why_not or "it says that it cannot be",))
        binary = _module(path, receipt)
        pulley = receipt.engine.compiler == "pulley"
        if pulley not in runtimes:
            runtimes[pulley] = Runtime(pulley=pulley)
        program = runtimes[pulley].open_bytes(binary, name=receipt.tool.module)
        tool = tool_of(program, receipt.tool, receipt.limits)
        result = tool.call(receipt.arguments.encode(), replay=unpacked(receipt.told, "told"))
    except (ReceiptError, WasmRuntimeError, WasmError, ValueError) as error:
        return Outcome(str(path), "", "failed", (str(error),))
    found = [
        ("status", receipt.result.status, result.status),
        ("exit status", receipt.result.exit_status, result.exit_status),
        ("result", unpacked(receipt.result.output, "output"), result.output),
        ("compute units", receipt.usage.units, result.units),
        ("memory", receipt.usage.memory_bytes, result.memory_bytes),
    ]
    differences = [
        f"{what}: {_short(before)} was recorded, {_short(now)} came" for what, before, now in found if before != now
    ]
    if result.status == "internal":
        differences.append(result.detail)
    elif not result.whole:
        differences.append("the guest asked for less than was recorded")
    if differences:
        differences = [*_causes(receipt, runtimes[pulley]), *differences]
    return Outcome(str(path), receipt.tool.name, "differs" if differences else "same", tuple(differences))


def _causes(receipt: Receipt, runtime: Runtime) -> list[str]:
    """What is another than when it was recorded, and may explain the rest."""
    here = runtime.library.version
    if here == receipt.engine.wasmtime:
        return []
    return [f"wasmtime is {here} here, {receipt.engine.wasmtime} recorded it: other versions may use other units"]


def _module(path: Path, receipt: Receipt) -> bytes:
    """The module from the receipt's own folder, which has to be the very one."""
    digest = receipt.tool.module.removeprefix("sha256:")
    file = path.parent / MODULES / f"{digest}.wasm"
    try:
        binary = file.read_bytes()
    except OSError as error:
        raise ReceiptError(f"{file}: {error.strerror or error}") from None
    if sha256(binary).hex() != digest:
        raise ReceiptError(f"{file}: not the module that its name says")
    return binary


def _short(value: object) -> str:
    text = (
        value.decode("utf-8", "replace")
        if isinstance(value, bytes)
        else f"{value:,}"
        if isinstance(value, int)
        else str(value)
    )
    return text if len(text) <= 80 else f"{text[:77]}…"


def _show(outcome: Outcome) -> None:
    colour = {"same": "32", "differs": "31", "failed": "31", "skipped": "33"}[outcome.state]
    wipe = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(wipe, end="", file=sys.stderr, flush=True)
    print(f"{paint(outcome.state, colour, sys.stdout):<8} {harmless(f'{outcome.receipt} {outcome.tool}')}")
    for line in outcome.differences:
        print(f"         {harmless(line)}")
