"""Bounds on schemas and on what is held against them, so that a check ends soon whatever it is given."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from mcpkit.schema.errors import SchemaError, SchemaMismatch

MAX_SCHEMA_DEPTH = 100
MAX_SCHEMA_NODES = 20_000
"""Values in a schema, each member and item counted."""
MAX_DEPTH = 100
"""How deeply a value may be nested."""
MAX_NODES = 1_000_000
"""Members and items of a value."""
MAX_WRITTEN_OUT = 200_000
"""Values of a schema with a copy in place of each reference: about what one check may look at."""
MAX_REFERENCE_DEPTH = 300
MAX_EXPLAINABLE = 2_000
"""Values of a schema with its references written out, up to which faults under several schemas are explained."""
MAX_EXPLAINED = 10_000
"""Members and items of a value, up to which more than its first fault is looked for."""

# Keywords under which one part of a value is held against several schemas. Where they meet recursion, saying why a
# value does not fit means to try all ways through them; that it does not fit is known at once.
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_BRANCHES = frozenset(
    {"allOf", "anyOf", "oneOf", "not", "if", "dependentSchemas", "$dynamicRef", "$recursiveRef", "contains"}
)


def check_schema(schema: Any) -> None:
    """Raise SchemaError for what is no schema, or too large or too deep for one."""
    if not isinstance(schema, (dict, bool)):
        raise SchemaError("a schema is an object, true or false")
    _, fault = _measure(schema, MAX_SCHEMA_DEPTH, MAX_SCHEMA_NODES)
    if fault:
        raise SchemaError(f"the schema has {fault}")
    if isinstance(schema, dict) and References(schema).written_out() > MAX_WRITTEN_OUT:
        raise SchemaError(f"the schema has more than {MAX_WRITTEN_OUT} values when its references are written out")


def check_instance(instance: Any) -> int:
    """How many values are in `instance`. Raises SchemaMismatch where it is too large or too deep to be checked."""
    nodes, fault = _measure(instance, MAX_DEPTH, MAX_NODES)
    if fault:
        raise SchemaMismatch([("", f"too much to check: {fault}")])
    return nodes


def has_branches(part: Any) -> bool:
    """Whether a schema holds one part of a value against several schemas."""
    if isinstance(part, dict):
        return not _BRANCHES.isdisjoint(part) or any(has_branches(inner) for inner in part.values())
    return isinstance(part, list) and any(has_branches(inner) for inner in part)


def is_small(schema: Any) -> bool:
    """Whether a schema with its references written out, recursive ones again and again, is of a bounded size."""
    references = References(schema) if isinstance(schema, dict) else None
    left = MAX_EXPLAINABLE
    stack: list[Any] = [schema]
    while stack and left:
        part = stack.pop()
        left -= 1
        if isinstance(part, dict):
            stack.extend(part.values())
            stack.extend(references.targets(part) if references else ())
        elif isinstance(part, list):
            stack.extend(part)
    return not stack


class References:
    """Where the references of a schema lead."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Raises SchemaError for embedded schemas with an identity of their own, which references are relative to."""
        self._schema = schema
        self._anchors: dict[str, Any] = {}
        self._sizes: dict[int, int] = {}
        stack: list[Any] = list(schema.values())
        self._note(schema)
        while stack:
            part = stack.pop()
            if isinstance(part, dict):
                if isinstance(part.get("$id"), str):
                    raise SchemaError(f"$id {part['$id'][:128]!r}: only the root has one; elsewhere use $anchor")
                self._note(part)
                stack.extend(part.values())
            elif isinstance(part, list):
                stack.extend(part)

    def targets(self, part: dict[str, Any]) -> list[Any]:
        """What the references in one schema lead to; those that lead nowhere are for the compiler to refuse."""
        found = [self._target(part[word]) for word in _REFERENCES if isinstance(part.get(word), str)]
        return [target for target in found if target is not None]

    def written_out(self) -> int:
        """The number of values with a copy in place of each reference; a recursive one counts once."""
        return self._size(self._schema, 0)

    def _size(self, part: Any, depth: int) -> int:
        if not isinstance(part, (dict, list)):
            return 1
        known = self._sizes.get(id(part))
        if known is not None:
            return known
        if depth > MAX_REFERENCE_DEPTH:
            raise SchemaError(
                f"the schema has more than {MAX_REFERENCE_DEPTH} levels when its references are written out"
            )
        self._sizes[id(part)] = total = 1
        below = [*part.values(), *self.targets(part)] if isinstance(part, dict) else part
        for inner in below:
            total += self._size(inner, depth + 1)
        self._sizes[id(part)] = total
        return total

    def _note(self, part: dict[str, Any]) -> None:
        for word in ("$anchor", "$dynamicAnchor"):
            if isinstance(part.get(word), str):
                self._anchors[part[word]] = part

    def _target(self, reference: str) -> Any:
        fragment = reference.partition("#")[2]
        if not fragment.startswith("/"):
            return self._anchors.get(fragment) if fragment else self._schema
        part: Any = self._schema
        for step in unquote(fragment[1:]).split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(part, dict):
                part = part.get(name)
            elif isinstance(part, list) and name.isdecimal() and int(name) < len(part):
                part = part[int(name)]
            else:
                return None
        return part


def _measure(value: Any, most_depth: int, most_nodes: int) -> tuple[int, str | None]:
    """The number of values, and what is too much, level by level."""
    level, depth, nodes = [value], 0, 0
    while level:
        nodes += len(level)
        if nodes > most_nodes:
            return nodes, f"more than {most_nodes} values"
        if depth > most_depth:
            return nodes, f"more than {most_depth} levels"
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, (list, tuple)):
                below.extend(item)
        level = below
        depth += 1
    return nodes, None
