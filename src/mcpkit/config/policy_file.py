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
    return loads_policy(read_text(path), str(path), folder=Path(path).parent, environ=environ)


def loads_policy(
    text: str,
    name: str = "policy.yaml",
    *,
    folder: str | os.PathLike[str] = ".",
    environ: Mapping[str, str] | None = None,
) -> Policy:
    """The same for a text."""
    source = Source(name, os.environ if environ is None else environ)
    converter = Converter(name, Path(folder), source.environ)
    policy = _convert(converter, parse(text, source), "")
    if policy is None:
        raise ConfigError(sorted(converter.problems, key=lambda problem: (problem.line, problem.column)))
    return policy


def convert_policy(converter: Converter, node: Node, path: str) -> Policy | None:
    """A configuration's ``policy``: a text is the path of a file."""
    if not isinstance(node, Scalar):
        return _convert(converter, node, path)
    if not node.text:
        converter.note(node, path, "expected a policy, or the path of its file")
        return None
    try:
        return load_policy(converter.folder / Path(node.text).expanduser(), converter.environ)
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
