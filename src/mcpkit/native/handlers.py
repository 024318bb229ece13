"""Tools in Python that a configuration names: ``mcp.tools[].handler``.

A handler runs with all that mcpkit itself may do. So only a configuration of this machine's own may name one: what
reads configurations from elsewhere has no business here.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from mcpkit.native.errors import DefinitionError
from mcpkit.native.registry import Registry
from mcpkit.native.tool import NativeTool

HANDLER = re.compile(r"(?P<module>[A-Za-z_][\w.]*|.+\.py):(?P<function>[A-Za-z_][\w.]*)")


class Stands(Protocol):
    """Where an entry stands; its text is ``file:line``."""

    @property
    def folder(self) -> Path: ...


class Entry(Protocol):
    """An entry of ``mcp.tools``."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str | None: ...
    @property
    def description(self) -> str | None: ...
    @property
    def input_schema(self) -> dict[str, Any] | None: ...
    @property
    def output_schema(self) -> dict[str, Any] | None: ...
    @property
    def annotations(self) -> dict[str, Any] | None: ...
    @property
    def handler(self) -> str | None: ...
    @property
    def place(self) -> Stands: ...


def registry_of(entries: Iterable[Entry], timeout_ns: int | None = None) -> Registry:
    """The tools of the entries that name a handler. `timeout_ns`: of each call.

    Raises DefinitionError that names the entry's file and line.
    """
    registry = Registry()
    for entry in entries:
        if entry.handler is None:
            continue
        try:
            tool = NativeTool(
                _function(entry.handler, entry.place.folder),
                name=entry.name,
                title=entry.title,
                description=entry.description,
                input_schema=entry.input_schema,
                output_schema=entry.output_schema,
                annotations=entry.annotations,
                timeout=timeout_ns / 1e9 if timeout_ns is not None else None,
            )
            registry.add_tool(tool)
        except DefinitionError as error:
            raise DefinitionError(f"{entry.place}: the handler of {entry.name!r}: {error}") from None
    return registry


def _function(handler: str, folder: Path) -> Any:
    match = HANDLER.fullmatch(handler)
    assert match is not None  # the configuration's schema has seen to that
    source, path = match["module"], match["function"]
    found: Any = _from_file(folder / source) if source.endswith(".py") else _imported(source, folder)
    for name in path.split("."):
        if not hasattr(found, name):
            raise DefinitionError(f"{source} has no {path}")
        found = getattr(found, name)
    if not callable(found):
        raise DefinitionError(f"{handler} is no function")
    return found


def _imported(name: str, folder: Path) -> ModuleType:
    """Modules beside the configuration are found, after those that are installed."""
    beside = str(folder.resolve())
    if beside not in sys.path:
        sys.path.append(beside)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise DefinitionError(f"there is no module {name}, neither installed nor in {folder}") from None
        raise DefinitionError(f"{name} cannot be imported: {error}") from error
    except Exception as error:
        raise DefinitionError(f"{name} cannot be imported: {type(error).__name__}: {error}") from error


def _from_file(path: Path) -> ModuleType:
    name = f"mcpkit_handlers_{abs(hash(path.resolve())):x}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise DefinitionError(f"there is no file {path}")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise DefinitionError(f"{path} cannot be loaded: {type(error).__name__}: {error}") from error
    return module
