"""Several configurations as one: mappings merge, everything else is replaced by what comes later."""

from __future__ import annotations

from collections.abc import Iterator
from typing import overload

from mcpkit.config.errors import Problem
from mcpkit.config.tree import Node, Scalar, Sequence, Table


@overload
def merged(base: Table, over: Table) -> Table: ...
@overload
def merged(base: Node, over: Node) -> Node: ...
def merged(base: Node, over: Node) -> Node:
    """`base` with what `over` says instead; every entry keeps its own file and place. Neither may repeat a key.

    An entry of `over` that says nothing (``key:``) takes back what stands in `base`.
    """
    if not isinstance(base, Table) or not isinstance(over, Table):
        return over
    entries = {key.text: (key, value) for key, value in base.entries}
    for key, value in over.entries:
        before = entries.get(key.text)
        entries[key.text] = (key, merged(before[1], value) if before is not None else value)
    both = Table(over.line, over.column, list(entries.values()))
    both.source = over.source
    return both


def repeated(node: Node, path: str = "") -> Iterator[Problem]:
    """Every key that stands twice in one place of one file."""
    if isinstance(node, Sequence):
        for i, item in enumerate(node.items):
            yield from repeated(item, f"{path}[{i}]")
    if not isinstance(node, Table):
        return
    seen: dict[str, Scalar] = {}
    for key, value in node.entries:
        here = f"{path}.{key.text}" if path else key.text
        if key.text in seen:
            file = key.source.file if key.source is not None else ""
            message = f"stands twice in one place; first on line {seen[key.text].line}"
            yield Problem(file, key.line, key.column, here, message)
        seen.setdefault(key.text, key)
        yield from repeated(value, here)
