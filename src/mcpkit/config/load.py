"""From a file or a text to a `Config`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mcpkit.config.convert import Converter
from mcpkit.config.errors import ConfigError
from mcpkit.config.schema import Config
from mcpkit.config.security import problems as security_problems
from mcpkit.config.transport import problems as transport_problems
from mcpkit.config.tree import Source, parse, read_text


def load(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Config:
    """Read a YAML or JSON file. Relative paths in it are relative to its folder.

    Raises ConfigError with every problem, each with file, line and column. `environ` defaults to the process's own.
    """
    return loads(read_text(path), str(path), folder=Path(path).parent, environ=environ)


def loads(
    text: str,
    name: str = "configuration.yaml",
    *,
    folder: str | os.PathLike[str] = ".",
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Read a text. `name` stands in messages, and its suffix .json tells JSON from YAML."""
    source = Source(name, os.environ if environ is None else environ)
    converter = Converter(name, Path(folder), source.environ)
    config = converter.struct(parse(text, source), Config, "")
    if isinstance(config, Config):
        _check(config, converter)
    if converter.problems or config is None:
        # Those of a policy's own file come last.
        in_order = sorted(converter.problems, key=lambda one: (one.file != name, one.line, one.column))
        raise ConfigError(in_order)
    assert isinstance(config, Config)
    return config


def _check(config: Config, converter: Converter) -> None:
    """What concerns several keys, or the files they name."""
    places = converter.places
    wasm = config.runtime.wasm
    if wasm.module_path is not None and not wasm.module_path.is_file():
        here = "runtime.wasm.module_path"
        converter.note(places[here], here, f"there is no file {wasm.module_path}")
    if "transport" in places:
        for here, message in transport_problems(config.transport):
            converter.note(places[here], here, message)
    if "security" in places:
        for here, message in security_problems(config.security):
            converter.note(places[here], here, message)
    names = {wasm.module_path.stem} if wasm.module_path is not None else set()
    for i, module in enumerate(wasm.modules):
        here = f"runtime.wasm.modules[{i}]"
        if not module.path.is_file():
            converter.note(places[f"{here}.path"], f"{here}.path", f"there is no file {module.path}")
        if module.label in names:
            place = places.get(f"{here}.name", places[f"{here}.path"])
            converter.note(place, here, f"another module is named {module.label!r} too; give this one another name")
        names.add(module.label)
    tools: set[str] = set()
    for i, tool in enumerate(config.mcp.tools):
        here = f"mcp.tools[{i}]"
        if tool.name in tools:
            converter.note(places[f"{here}.name"], f"{here}.name", f"another tool is named {tool.name!r} too")
        tools.add(tool.name)
        if tool.module is not None and names and tool.module not in names:
            there = ", ".join(sorted(names))
            converter.note(places[f"{here}.module"], f"{here}.module", f"no module {tool.module!r}; there are {there}")
        schema = tool.input_schema
        if schema is not None and schema.get("type") != "object":
            place = places[f"{here}.input_schema"]
            converter.note(place, f"{here}.input_schema", 'must have "type": "object", as the protocol asks')
