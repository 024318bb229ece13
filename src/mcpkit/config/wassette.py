"""Wassette's policy files (version 1.0), rewritten into ours with every line and column kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from mcpkit.config.convert import Converter
from mcpkit.config.tree import Node, Scalar, Sequence, Table

N = TypeVar("N", bound=Node)

_MEANINGLESS = {
    "runtime": "is about containers, which mcpkit does not start; remove the key",
    "ipc": "guests have no sockets of this kind here; remove the key",
    "io": "is not limited here; remove the key",
}


def recognises(node: Node) -> bool:
    """By shape: ``permissions`` stands at its root and ``core`` does not."""
    keys = {key.text for key, _ in node.entries} if isinstance(node, Table) else set()
    return "permissions" in keys and not keys & {"core", "mcp", "tools"}


def translated(converter: Converter, node: Node, path: str) -> Node:
    """The same policy in our keys. What cannot be said in them is noted as a problem."""
    assert isinstance(node, Table)
    entries: list[tuple[Scalar, Node]] = []
    for key, value in node.entries:
        if key.text == "permissions":
            here = f"{path}.permissions" if path else "permissions"
            entries.append((_text(key, "core"), _table(value, list(_permissions(converter, value, here)))))
        elif key.text != "$schema":
            entries.append((key, value))
    return _table(node, entries)


def _permissions(converter: Converter, node: Node, path: str) -> Iterator[tuple[Scalar, Node]]:
    for key, value in _entries(converter, node, path):
        here = f"{path}.{key.text}"
        if key.text in _MEANINGLESS:
            converter.note(key, here, _MEANINGLESS[key.text])
        elif key.text == "storage":
            rules = [(which, _storage(items)) for which, items in _entries(converter, value, here)]
            yield key, _table(value, rules)
        elif key.text == "network":
            rules = [(which, _network(converter, items, here)) for which, items in _entries(converter, value, here)]
            yield key, _table(value, rules)
        elif key.text == "resources":
            yield key, _resources(converter, value, here)
        else:
            yield key, value


def _storage(node: Node) -> Node:
    """Writing there means making and removing files too."""
    if not isinstance(node, Sequence):
        return node
    return _list(node, [_rule(item) for item in node.items])


def _rule(node: Node) -> Node:
    if not isinstance(node, Table):
        return node
    entries = []
    for key, value in node.entries:
        if key.text == "access" and isinstance(value, Sequence):
            writing = [one for one in value.items if isinstance(one, Scalar) and one.text == "write"]
            more: list[Node] = [_text(one, text) for one in writing for text in ("create", "delete")]
            value = _list(value, [*value.items, *more])
        entries.append((key, value))
    return _table(node, entries)


def _network(converter: Converter, node: Node, path: str) -> Node:
    for item in node.items if isinstance(node, Sequence) else ():
        for key, _ in item.entries if isinstance(item, Table) else ():
            if key.text == "defaults":
                message = "stands for hosts that no file of yours names; write the hosts that are needed"
                converter.note(key, f"{path}.defaults", message)
    return node


def _resources(converter: Converter, node: Node, path: str) -> Node:
    """``limits`` is ours too; bare numbers are refused, because their unit is not written anywhere."""
    for key, _ in _entries(converter, node, path):
        if key.text in ("cpu", "memory"):
            message = f"has no unit that is written down; write resources: {{limits: {{{key.text}: …}}}} with a unit"
            converter.note(key, f"{path}.{key.text}", message)
        elif key.text in _MEANINGLESS:
            converter.note(key, f"{path}.{key.text}", _MEANINGLESS[key.text])
    return node


def _entries(converter: Converter, node: Node, path: str) -> list[tuple[Scalar, Node]]:
    if isinstance(node, Table):
        return node.entries
    if not (isinstance(node, Scalar) and node.is_null):
        converter.note(node, path, "expected keys and values")
    return []


# New nodes, which stand where others do.


def _text(node: Node, text: str) -> Scalar:
    return _standing(node, Scalar(node.line, node.column, text, True))


def _list(node: Node, items: list[Node]) -> Sequence:
    return _standing(node, Sequence(node.line, node.column, items))


def _table(node: Node, entries: list[tuple[Scalar, Node]]) -> Table:
    return _standing(node, Table(node.line, node.column, entries))


def _standing(node: Node, new: N) -> N:
    new.source = node.source
    return new
