"""From files, a text and the environment to a `Config`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path

import msgspec

from mcpkit.config.convert import Converter, Place
from mcpkit.config.credentials import problems as credential_problems
from mcpkit.config.environment import from_environment
from mcpkit.config.errors import ConfigError, Problem
from mcpkit.config.merge import merged, repeated
from mcpkit.config.schema import Config
from mcpkit.config.security import problems as security_problems
from mcpkit.config.transport import problems as transport_problems
from mcpkit.config.tree import Node, Scalar, Source, Table, parse, read_text


class Loaded(msgspec.Struct, frozen=True):
    """A configuration, and where each part of it came from."""

    config: Config
    files: tuple[Path, ...]
    """In the order in which they were merged, then those that they name: a policy's own."""
    warnings: tuple[Problem, ...]
    """What keeps a server from starting without being wrong in itself: modules that are not there."""
    origins: dict[str, str]
    """``file:line`` or ``environment variable NAME`` by key, for every key that is set."""


def load(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Config:
    """Read one YAML or JSON file. Relative paths in it are relative to its folder.

    Raises ConfigError with every problem, each with file, line and column. From `environ`, by default the process's
    own, only ``${NAME}`` are taken. Modules are looked for when they are opened.
    """
    return _joined([_tree(path, os.environ if environ is None else environ)], str(path), Path(path).parent).config


def loads(
    text: str,
    name: str = "configuration.yaml",
    *,
    folder: str | os.PathLike[str] = ".",
    environ: Mapping[str, str] | None = None,
) -> Config:
    """Read a text. `name` stands in messages, and its suffix .json tells JSON from YAML."""
    source = Source(name, os.environ if environ is None else environ, Path(folder))
    return _joined([parse(text, source)], name, Path(folder)).config


def gather(
    paths: Sequence[str | os.PathLike[str]], environ: Mapping[str, str] | None = None, *, settings: bool = True
) -> Loaded:
    """What several files say, the later ones winning, and after them (`settings`) the environment's MCPKIT_ variables.

    Mappings are merged, lists and all else replaced. Raises ConfigError with every problem of all of them.
    """
    environ = os.environ if environ is None else environ
    roots: list[Node] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            root = _tree(path, environ)
        except ConfigError as error:
            problems += error.problems
            continue
        if not isinstance(root, Table) and not (isinstance(root, Scalar) and root.is_null):
            problems.append(Problem(str(path), root.line, root.column, "", "expected keys and values"))
        elif isinstance(root, Table):
            roots.append(root)
    try:
        said = from_environment(environ if settings else {})
        if said.entries or not roots:
            roots.append(said)
    except ConfigError as error:
        problems += error.problems
    if problems or len(roots) > 1:  # of one alone the converter says it, along with everything else
        problems += [problem for root in roots for problem in repeated(root)]
    if problems:
        raise ConfigError(problems)
    first = Path(paths[0]) if paths else Path("configuration.yaml")
    return _joined(roots, str(first), first.parent, tuple(Path(path) for path in paths))


def _tree(path: str | os.PathLike[str], environ: Mapping[str, str]) -> Node:
    return parse(read_text(path), Source(str(path), environ, Path(path).parent))


def _joined(roots: Sequence[Node], name: str, folder: Path, files: tuple[Path, ...] = ()) -> Loaded:
    converter = Converter(name, folder)
    config = converter.struct(reduce(merged, roots), Config, "")
    if isinstance(config, Config):
        _check(config, converter)
    if converter.problems or config is None:
        order = {file: i for i, file in enumerate([name, *map(str, files)])}
        last = len(order)
        in_order = sorted(converter.problems, key=lambda one: (order.get(one.file, last), one.line, one.column))
        raise ConfigError(in_order)
    assert isinstance(config, Config)
    origins = {path: _origin(node) for path, node in converter.places.items() if not _says_nothing(node)}
    sources = [node.source for node in converter.places.values() if node.source is not None]
    named = (Path(source.file) for source in sources if source.folder is not None)
    files = tuple(dict.fromkeys([*files, *named]))
    return Loaded(_placed(config), files, tuple(_missing(config, converter)), origins)


def _placed(config: Config) -> Config:
    """Where a tool stands means something for its handler alone: others are the same wherever they stand."""
    tools = tuple(tool if tool.handler else msgspec.structs.replace(tool, place=Place()) for tool in config.mcp.tools)
    return msgspec.structs.replace(config, mcp=msgspec.structs.replace(config.mcp, tools=tools))


def _origin(node: Node) -> str:
    file = node.source.file if node.source is not None else ""
    return f"{file}:{node.line}" if node.line else file


def _says_nothing(node: Node) -> bool:
    return isinstance(node, Scalar) and node.is_null


def _missing(config: Config, converter: Converter) -> Iterator[Problem]:
    """Modules whose files are not there (yet): a server cannot start, but the configuration may be right."""
    wasm = config.runtime.wasm
    named = [("runtime.wasm.module_path", wasm.module_path)] if wasm.module_path is not None else []
    named += [(f"runtime.wasm.modules[{i}].path", module.path) for i, module in enumerate(wasm.modules)]
    for here, path in named:
        if path is not None and not path.is_file():
            node = converter.places[here]
            file = node.source.file if node.source is not None else converter.file
            yield Problem(file, node.line, node.column, here, f"there is no file {path}")


def _check(config: Config, converter: Converter) -> None:
    """What concerns several keys, or the files they name."""
    places = converter.places
    wasm = config.runtime.wasm
    if "transport" in places:
        for here, message in transport_problems(config.transport):
            converter.note(_place(places, here), here, message)
    if "security" in places:
        for here, message in security_problems(config.security):
            converter.note(_place(places, here), here, message)
    if "credentials" in places:
        for here, message in credential_problems(config.credentials):
            converter.note(_place(places, here), here, message)
    names = {wasm.module_path.stem} if wasm.module_path is not None else set()
    for i, module in enumerate(wasm.modules):
        here = f"runtime.wasm.modules[{i}]"
        if module.label in names:
            place = places.get(f"{here}.name", places[f"{here}.path"])
            converter.note(place, here, f"another module is named {module.label!r} too; give this one another name")
        names.add(module.label)
    if config.runtime.type == "native" and config.modules():
        here = "runtime.type"
        converter.note(places[here], here, "native runs no modules; write wasmtime, which serves handlers as well")
    tools: set[str] = set()
    for i, tool in enumerate(config.mcp.tools):
        here = f"mcp.tools[{i}]"
        if tool.name in tools:
            converter.note(places[f"{here}.name"], f"{here}.name", f"another tool is named {tool.name!r} too")
        tools.add(tool.name)
        if tool.handler is not None and tool.module is not None:
            converter.note(places[f"{here}.module"], f"{here}.module", "a tool has a handler or a module, not both")
        if tool.module is not None and names and tool.module not in names:
            there = ", ".join(sorted(names))
            converter.note(places[f"{here}.module"], f"{here}.module", f"no module {tool.module!r}; there are {there}")
        schema = tool.input_schema
        if schema is not None and schema.get("type") != "object":
            place = places[f"{here}.input_schema"]
            converter.note(place, f"{here}.input_schema", 'must have "type": "object", as the protocol asks')


def _place(places: Mapping[str, Node], path: str) -> Node:
    """Where a key stands, or the nearest one around it."""
    while path not in places:
        path = path.rpartition(".")[0]
    return places[path]
