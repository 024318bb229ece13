"""Opens modules for commands: engine, compiled code and tools, with failures as exit statuses."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mcpkit.cli import exits, options
from mcpkit.cli.exits import CliError
from mcpkit.cli.terminal import note_if_slow
from mcpkit.config import DEFAULT_MEMORY, Config, Module, ToolConfig
from mcpkit.core.wasm import LimitError, WasmError
from mcpkit.guests import Catalogue, GuestError
from mcpkit.policy import PolicyError
from mcpkit.security.credentials import CredentialError
from mcpkit.wasm import Runtime, WasmRuntimeError
from mcpkit.wasmedge.library import WasmEdgeError


def only(file: str, config: Config | None) -> tuple[Module, list[ToolConfig]]:
    """One file as the configuration knows it, with the tools that belong to it; on its own where it does not."""
    (path,) = options.files([file])
    known = config.modules() if config is not None else ()
    for module in known:
        if config is not None and module.path.resolve() == path.resolve():
            own = (module.label, None) if len(known) == 1 else (module.label,)
            return module, [tool for tool in config.described() if tool.module in own]
    return Module(path=path), []


@contextmanager
def opened(
    args: argparse.Namespace,
    config: Config | None,
    modules: Sequence[Module],
    tools: Sequence[ToolConfig],
    max_memory: int = 0,
) -> Iterator[Catalogue]:
    """The tools of `modules`, on an engine that ends with the body and whose calls may have up to `max_memory` bytes.

    The engine has room for the default limit at least: a tool under a tighter one is then stopped as any other, where
    an engine without the room would not even compile it.
    """
    try:
        with Runtime(**options.cache(args, config), max_memory=max(max_memory, DEFAULT_MEMORY)) as runtime:
            with note_if_slow(f"compiling {', '.join(module.path.name for module in modules)} …"):
                catalogue = Catalogue.open(runtime, modules, tools)
            yield catalogue
    except LimitError as error:
        raise CliError(str(error), exits.MEMORY_LIMIT) from None
    except (WasmRuntimeError, WasmError, GuestError, PolicyError, CredentialError, WasmEdgeError) as error:
        raise CliError(str(error), exits.CANNOT_LOAD) from None
