"""Options that several commands share, turned into what the library takes."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mcpkit.cli import exits
from mcpkit.cli.exits import CliError
from mcpkit.config import (
    Config,
    ConfigError,
    Limits,
    Loaded,
    Module,
    Policy,
    UnitError,
    effective_limits,
    find,
    gather,
    under_policy,
    units,
)

if TYPE_CHECKING:
    from mcpkit.policy import Evaluator


def config_files(args: argparse.Namespace) -> list[Path]:
    """The files that --config names, or the one that is found where none is named."""
    if args.config:
        return [Path(name) for name in args.config]
    found = find()
    return [found] if found is not None else []


def loaded(args: argparse.Namespace) -> Loaded:
    """Configuration files and the environment's settings as one, with where each came from."""
    return _gather(config_files(args), settings=True)


def named(args: argparse.Namespace) -> Config | None:
    """What the files that --config names say, whatever this folder and this process's environment hold; or None."""
    return _gather([Path(name) for name in args.config], settings=False).config if args.config else None


def _gather(paths: list[Path], *, settings: bool) -> Loaded:
    try:
        return gather(paths, settings=settings)
    except ConfigError as error:
        raise CliError(f"the configuration cannot be used\n{error}", exits.CANNOT_LOAD) from None


if TYPE_CHECKING:
    from mcpkit.metering.recorder import Recorder


def config(args: argparse.Namespace) -> Config | None:
    """The configuration, or None where neither a file nor the environment says anything."""
    found = loaded(args)
    return found.config if found.files or found.origins else None


def modules_are_there(found: Loaded) -> None:
    """Raises CliError for modules without a file, each with the place that names it."""
    if found.warnings:
        raise CliError("\n".join(["the configuration cannot be served", *map(str, found.warnings)]), exits.CANNOT_LOAD)


def limits(args: argparse.Namespace, config: Config | None) -> Limits:
    """What flags say, over what the configuration says, over the defaults; and none above the policy's."""
    base = effective_limits(config) if config is not None else Limits()
    flags = base.override(
        max_units=_quantity(args.max_compute_units, "--max-compute-units", units.compute_units),
        max_memory=_quantity(args.max_memory, "--max-memory", units.size),
        timeout_ns=_quantity(args.timeout, "--timeout", units.duration),
    )
    return under_policy(flags, config.policy if config is not None else None)


def evaluator(policy: Policy) -> Evaluator:
    """The policy, compiled."""
    from mcpkit.policy import Evaluator, PolicyError

    try:
        return Evaluator(policy)
    except PolicyError as error:
        raise CliError(f"the policy cannot be used\n{error}", exits.CANNOT_LOAD) from None


def meter(args: argparse.Namespace, config: Config | None) -> str | None:
    """The format of the report that --meter and --meter-format ask for; None: no report."""
    if args.meter_format:
        return str(args.meter_format)
    if args.meter is None:
        return None
    return display(config) if args.meter == "auto" else str(args.meter)


def display(config: Config | None) -> str:
    """The configuration's display format."""
    return config.runtime.wasm.metering.display_format if config is not None else "minimal"


def monitors(args: argparse.Namespace, config: Config | None) -> bool:
    """Whether usage is shown while calls run."""
    metering = config.runtime.wasm.metering if config is not None else None
    return bool(args.monitor or (metering is not None and metering.enabled and metering.enable_monitoring))


def limit_flags(args: argparse.Namespace) -> dict[str, str]:
    """The options given about limits, by the limits that they set."""
    flags: dict[str, str] = {}
    if args.max_compute_units is not None:
        flags |= dict.fromkeys(("max_units", "enforcement"), "--max-compute-units")
    if args.max_memory is not None:
        flags["max_memory"] = "--max-memory"
    if args.timeout is not None:
        flags["timeout_ns"] = "--timeout"
    return flags


def recorder(args: argparse.Namespace, config: Config | None) -> Recorder | None:
    """What --record asks for; None: nothing is recorded."""
    if not args.record:
        if args.sign:
            raise CliError("--sign signs receipts; say with --record DIR where they go")
        return None
    from mcpkit import __version__
    from mcpkit.metering.receipt import Engine, ReceiptError, load_key
    from mcpkit.metering.recorder import Recorder
    from mcpkit.wasm.library import find_library

    pulley = cache(args, config)["pulley"]
    engine = Engine(mcpkit=__version__, wasmtime=find_library().version, compiler="pulley" if pulley else "cranelift")
    try:
        return Recorder(Path(args.record), engine, load_key(Path(args.sign)) if args.sign else None)
    except ReceiptError as error:
        raise CliError(str(error), exits.CANNOT_LOAD) from None


def files(names: Sequence[str]) -> list[Path]:
    """Paths of files that are there."""
    paths = [Path(name) for name in names]
    for path in paths:
        if not path.is_file():
            raise CliError(f"there is no file {path}", exits.CANNOT_LOAD)
    return paths


def with_files(config: Config | None, names: Sequence[str]) -> Config:
    """The configuration with further modules; one that it has already is not added again."""
    base = config if config is not None else Config()
    known = {module.path.resolve() for module in base.modules()}
    added: list[Module] = []
    for path in files(names):
        if path.resolve() not in known:
            known.add(path.resolve())
            added.append(Module(path=path))
    wasm = msgspec.structs.replace(base.runtime.wasm, modules=base.runtime.wasm.modules + tuple(added))
    return msgspec.structs.replace(base, runtime=msgspec.structs.replace(base.runtime, wasm=wasm))


def cache(args: argparse.Namespace, config: Config | None) -> dict[str, Any]:
    """Arguments for `mcpkit.wasm.Runtime` about its compiler and its cache."""
    wasm = config.runtime.wasm if config is not None else None
    folder = Path(args.cache_dir) if args.cache_dir is not None else wasm.cache_dir if wasm is not None else None
    return {
        "cache_dir": folder,
        "cache": not args.no_cache and (wasm is None or wasm.cache),
        "pulley": (args.compiler or (wasm.compiler if wasm is not None else None)) == "pulley",
    }


def address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``, ``HOST``, ``PORT``, ``:PORT`` or ``[V6]:PORT``; 127.0.0.1 and 3000 by default."""
    host, port = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.isdigit():
        host, port = "", text
    elif ":" in text:
        host, _, port = text.rpartition(":")
    if port and not (port.isdigit() and 0 <= int(port) <= 65535):
        raise CliError(f"--http {text}: the port must be a number up to 65535")
    return host or "127.0.0.1", int(port) if port else 3000


def _quantity(text: str | None, option: str, parse: Callable[[str], int]) -> int | None:
    if text is None:
        return None
    try:
        return parse(text)
    except UnitError as error:
        raise CliError(f"{option}: {error}") from None
