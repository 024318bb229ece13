"""A policy from wherever it stands: inside a configuration, in a file of its own, or in a file of Wassette's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mcpkit.config import wassette
from mcpkit.config.convert import Converter
from mcpkit.config.errors import ConfigError
from mcpkit.config.policy import Policy, problems
from mcpkit.config.tree import Node, Scalar, Source, parse, read_text


def load_policy(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Policy:
    """Read a policy's own file. Relative paths in it are relative to its folder.

    Raises ConfigError with every problem, each with its place.
    """
    return _loaded(path, os.environ if environ is None else environ)[0]


def loads_policy(
    text: str,
    name: str = "policy.yaml",
    *,
    folder: str | os.PathLike[str] = ".",
    environ: Mapping[str, str] | None = None,
) -> Policy:
    """The same for a text."""
    return _read(text, Source(name, os.environ if environ is None else environ, Path(folder)))[0]


Places = dict[str, Node]


def _loaded(path: str | os.PathLike[str], environ: Mapping[str, str]) -> tuple[Policy, Places]:
    return _read(read_text(path), Source(str(path), environ, Path(path).parent))


def _read(text: str, source: Source) -> tuple[Policy, Places]:
    """The policy, and where each of its keys stands."""
    converter = Converter(source.file, source.folder or Path())
    policy = _convert(converter, parse(text, source), "")
    if policy is None:
        raise ConfigError(sorted(converter.problems, key=lambda problem: (problem.line, problem.column)))
    return policy, converter.places


def convert_policy(converter: Converter, node: Node, path: str) -> Policy | None:
    """A configuration's ``policy``: a text is the path of a file."""
    if not isinstance(node, Scalar):
        return _convert(converter, node, path)
    if not node.text:
        converter.note(node, path, "expected a policy, or the path of its file")
        return None
    try:
        environ = node.source.environ if node.source is not None else {}
        policy, places = _loaded(converter.path(node), environ)
        converter.places |= {f"{path}.{key}": place for key, place in places.items() if key}
        return policy
    except ConfigError as error:
        if any(problem.line for problem in error.problems):
            converter.problems += error.problems
        else:  # the file as a whole, which is best told where it is named
            converter.note(node, path, "; ".join(f"{one.file}: {one.message}" for one in error.problems))
        return None


def _convert(converter: Converter, node: Node, path: str) -> Policy | None:
    before = len(converter.problems)
    if wassette.recognises(node):
        node = wassette.translated(converter, node, path)
    policy = converter.struct(node, Policy, path) if len(converter.problems) == before else None
    if not isinstance(policy, Policy):
        return None
    for key, message in problems(policy):
        here = f"{path}.{key}" if path else key
        converter.note(converter.places.get(here, node), here, message)
    return policy if len(converter.problems) == before else None
