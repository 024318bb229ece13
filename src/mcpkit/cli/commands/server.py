"""mcpkit server: serve tools over MCP until told to stop."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mcpkit.cli import exits, logs, options
from mcpkit.cli.exits import CliError
from mcpkit.cli.terminal import note_if_slow, paint
from mcpkit.config import Config
from mcpkit.metering import Usage, show
from mcpkit.metering.monitor import Monitor

if TYPE_CHECKING:
    from mcpkit.application import Application
    from mcpkit.transport import Reloader, Settings

log = logging.getLogger("mcpkit.server")

WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 -- shown, not bound


def run(args: argparse.Namespace) -> int:
    settings = read(args)
    logs.set_up(settings.config.server.log_level, settings.config.server.log_format)
    for path in settings.files:
        log.info("configuration: %s", path)
    if not settings.config.modules() and not settings.config.handlers():
        raise CliError("nothing to serve; name a module (mcpkit server FILE.wasm) or a configuration (--config)")
    config = settings.config
    report = options.meter(args, config)
    monitor = report or options.display(config) if options.monitors(args, config) else None
    return serve(args, settings, monitor=monitor, report=report)


def merged(args: argparse.Namespace, config: Config) -> Config:
    """The configuration with what the command line says instead."""
    replace = msgspec.structs.replace
    config = options.with_files(config, args.files)
    server, transport, wasm = config.server, config.transport, config.runtime.wasm
    if args.http is not None:
        transport = replace(transport, type="http")
        if args.http:
            host, port = options.address(args.http)
            server = replace(server, bind=host, port=port)
    elif args.stdio:
        transport = replace(transport, type="stdio")
    settings = replace(
        transport.settings,
        allowed_hosts=transport.settings.allowed_hosts + tuple(args.allowed_host or ()),
        allowed_origins=transport.settings.allowed_origins + tuple(args.allowed_origin or ()),
    )
    server = replace(
        server,
        log_level=args.log_level or server.log_level,
        log_format=args.log_format or server.log_format,
    )
    wasm = replace(
        wasm,
        compiler=args.compiler or wasm.compiler,
        cache=wasm.cache and not args.no_cache,
        cache_dir=Path(args.cache_dir) if args.cache_dir is not None else wasm.cache_dir,
    )
    return replace(
        config,
        server=server,
        transport=replace(transport, settings=settings),
        runtime=replace(config.runtime, wasm=wasm),
    )


def read(args: argparse.Namespace) -> Settings:
    """What files, environment and command line say now. Raises CliError."""
    from mcpkit.transport import Settings

    found = options.loaded(args)
    options.modules_are_there(found)
    config = merged(args, found.config)
    return Settings(config, options.limits(args, config), found.files, found.origins)


def serve(
    args: argparse.Namespace, settings: Settings, *, monitor: str | None = None, report: str | None = None
) -> int:
    """Serve until the end of input (stdio) or a signal (HTTP).

    `monitor` and `report` are formats: of a line on stderr while calls run, and of what each tool used, at the end.
    """
    from mcpkit.application import Application
    from mcpkit.core.wasm import WasmError
    from mcpkit.guests import GuestError
    from mcpkit.metering.ledger import LedgerError
    from mcpkit.native import NativeError
    from mcpkit.policy import PolicyError
    from mcpkit.security.credentials import CredentialError
    from mcpkit.wasm import WasmRuntimeError
    from mcpkit.wasmedge.library import WasmEdgeError

    # On stdio a client started this server, and starts it again when it likes.
    config = settings.config
    by_default = bool(settings.files) and config.transport.type != "stdio"
    reloadable = args.reload if args.reload is not None else by_default
    try:
        with note_if_slow("compiling …"):
            recorder = options.recorder(args, config)
            registry = None
            if config.handlers():
                from mcpkit.native.handlers import registry_of

                registry = registry_of(config.handlers(), config.runtime.limits.execution_time)
            app = Application(
                config, limits=settings.limits, reloadable=reloadable, registry=registry, recorder=recorder
            )
    except (
        WasmRuntimeError,
        WasmError,
        GuestError,
        PolicyError,
        CredentialError,
        NativeError,
        LedgerError,
        WasmEdgeError,
    ) as error:
        raise CliError(str(error), exits.CANNOT_LOAD) from None
    except OSError as error:
        raise CliError(f"{error.filename}: {error.strerror}", exits.CANNOT_LOAD) from None
    with ExitStack() as stack:
        stack.enter_context(app)
        try:
            stdio = config.transport.type == "stdio"
            app.require_transport("stdio" if stdio else "http", websocket=config.transport.websocket)
        except PolicyError as error:
            raise CliError(str(error), exits.CANNOT_LOAD) from None
        if report is not None:
            stack.callback(_report, app, report)
        if monitor is not None:
            stack.enter_context(Monitor(app.runtime.engine, app.used, monitor, sys.stderr))
        reloader = _reloader(args, app, settings.files) if reloadable else None
        if config.transport.type == "stdio":
            log.info("serving %d tools on stdio", len(app.tools))
            from mcpkit.transport import run_stdio

            run_stdio(app, reloader)
            return exits.OK

        from mcpkit.transport import Listening, run_http

        def ready(at: Listening) -> None:
            url = at._replace(host=WILDCARDS.get(at.host, at.host)).url
            log.info("serving %d tools on %s", len(app.tools), at.url)
            print(welcome(config.server.name, url, app.tools), flush=True)

        host, port = config.server.bind, config.server.port
        try:
            run_http(app, host, port, ready=ready, reloader=reloader)
        except OSError as error:
            what = error.strerror or str(error)
            raise CliError(f"cannot listen on {host} port {port}: {what}", exits.INTERNAL) from None
    return exits.OK


def _report(app: Application, form: str) -> None:
    for name, tool in sorted(app.guests.items()):
        totals = tool.totals()
        calls = sum(totals["calls"].values())
        if calls:
            mean = totals["units"] * 1e9 / totals["wall_ns"] if totals["wall_ns"] else 0.0
            used = Usage(totals["units"], totals["wall_ns"], mean, totals["peak_rate"], totals["most_memory"])
            print(f"{name}: {calls:,} call{'s' if calls > 1 else ''}\n{show(used, form)}", file=sys.stderr)


def _reloader(args: argparse.Namespace, app: Application, files: Sequence[Path]) -> Reloader:
    from mcpkit.transport import Reloader

    def applied(config: Config) -> None:
        logs.set_up(config.server.log_level, config.server.log_format)

    return Reloader(app, lambda: read(args), files, applied)


def welcome(name: str, url: str, tools: Iterable[str]) -> str:
    """Where the server is, what it offers, and what to paste into clients."""
    entry = {name: {"type": "http", "url": url}}
    return "\n".join(
        [
            f"{paint(name, '1', sys.stdout)} serves MCP at {paint(url, '1', sys.stdout)}",
            f"tools: {', '.join(sorted(tools))}",
            "",
            "client configuration (Claude Code, Cursor and others):",
            json.dumps({"mcpServers": entry}, indent=2),
            "",
            "VS Code (.vscode/mcp.json):",
            json.dumps({"servers": entry}, indent=2),
        ]
    )
