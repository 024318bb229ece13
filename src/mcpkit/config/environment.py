"""Settings from the environment: ``MCPKIT_SERVER__PORT=8080`` is ``server.port: 8080`` after every file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_origin

from mcpkit.config.convert import is_section, keys, options
from mcpkit.config.errors import ConfigError, Problem
from mcpkit.config.merge import merged, repeated
from mcpkit.config.schema import Config
from mcpkit.config.tree import Node, Scalar, Sequence, Source, Table, check_text, parse

PREFIX = "MCPKIT_"
LEVEL = "__"
LABEL = "environment variable "


def variable(path: str) -> str:
    """The name under which the environment sets a key."""
    return PREFIX + path.replace(".", LEVEL).upper()


def from_environment(environ: Mapping[str, str]) -> Table:
    """A tree of what MCPKIT_ variables say, each value with its variable's name as its file.

    An empty variable says nothing. Names without a double underscore are no settings. Raises ConfigError for those
    that have one, or nearly do, and mean no key.
    """
    problems: list[Problem] = []
    root = Table(0, 0, [])
    for name in sorted(environ, key=lambda name: (name.count(LEVEL), name)):
        if not name.startswith(PREFIX) or not environ[name]:
            continue
        path = _settings().get(name)
        source = Source(LABEL + name, environ)
        try:
            if path is not None:
                value = _value(environ[name], _kinds()[path], source)
                problems += repeated(value, path)
                root = merged(root, _branch(path.split("."), value, source))
            elif (known := _meant(name)) is not None:
                raise source.fail(0, 0, f"there is no such setting{known}")
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise ConfigError(problems)
    return root


def _branch(keys: list[str], value: Node, source: Source) -> Table:
    key = Scalar(0, 0, keys[0], False)
    branch = Table(0, 0, [(key, _branch(keys[1:], value, source) if keys[1:] else value)])
    key.source = branch.source = source
    return branch


def _value(text: str, kind: Any, source: Source) -> Node:
    """A text as what the key wants: lists are separated by commas; brackets and braces hold YAML or JSON."""
    kinds = list(options(kind))
    lists = any(get_origin(option) is tuple for option in kinds)
    tables = any(option is dict or get_origin(option) is dict or is_section(option) for option in kinds)
    node: Node
    if (lists and text.lstrip().startswith("[")) or (tables and text.lstrip().startswith("{")):
        return parse(text, source)
    if lists:
        node = Sequence(0, 0, [_scalar(item.strip(), source) for item in text.split(",")])
        node.source = source
        return node
    return _scalar(text, source)


def _scalar(text: str, source: Source) -> Scalar:
    check_text(text, 0, 0, source)
    scalar = Scalar(0, 0, text, True)
    scalar.expanded = True  # a number or truth value may stand in it, as in a variable of a file's
    scalar.source = source
    return scalar


def _meant(name: str) -> str | None:
    """What to say about a variable that is no setting; None where nothing suggests that it was to be one."""
    from difflib import get_close_matches

    settings = _settings()
    plain = name.replace(LEVEL, "_").upper()
    for known in settings:
        if known.count(LEVEL) and known.replace(LEVEL, "_") == plain:
            return f"; did you mean {known}?"
    if LEVEL not in name:
        return None
    last = name.upper().rpartition(LEVEL)[2]
    same_key = [known for known in settings if known.rpartition(LEVEL)[2] == last]
    near = get_close_matches(name.upper(), same_key, 1, 0.0) or get_close_matches(name.upper(), settings, 1, 0.6)
    return f"; did you mean {near[0]}?" if near else ""


@cache
def _kinds() -> dict[str, Any]:
    """The type of every key that can be named, by its path."""
    return dict(_walk(Config, ""))


@cache
def _settings() -> dict[str, str]:
    """Path by variable."""
    return {variable(path): path for path in _kinds() if "." in path}


def _walk(section: type[Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key in section.NOT_YET:
        yield prefix + key, str
    for key, field in keys(section).items():
        yield prefix + key, field.type
        for option in options(field.type):
            if is_section(option):
                yield from _walk(option, f"{prefix}{key}.")
