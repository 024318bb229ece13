"""Bounds on schemas and on what is held against them, so that a check ends soon whatever it is given."""

from __future__ import annotations

from typing import Any

from mcpkit.schema.errors import SchemaError, SchemaMismatch

MAX_SCHEMA_DEPTH = 100
MAX_SCHEMA_NODES = 20_000
"""Values in a schema, each member and item counted."""
MAX_DEPTH = 100
"""How deeply a value may be nested."""
MAX_NODES = 1_000_000
"""Members and items of a value."""
MAX_EXPANDED = 2_000
"""Values of a schema with its references written out, up to which faults under several schemas are explained."""
MAX_EXPLAINED = 10_000
"""Members and items of a value, up to which more than its first fault is looked for."""

# Keywords under which one part of a value is held against several schemas. Where they meet recursion, saying why a
# value does not fit means to try all ways through them; that it does not fit is known at once.
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


def expands(schema: Any) -> bool:
    """Whether a schema with its references written out is of a bounded size."""
    left = MAX_EXPANDED
    stack: list[Any] = [schema]
    while stack:
        part = stack.pop()
        left -= 1
        if left < 0:
            return False
        if isinstance(part, dict):
            stack.extend(part.values())
            reference = part.get("$ref")
            if isinstance(reference, str):
                stack.append(_target(schema, reference))
        elif isinstance(part, list):
            stack.extend(part)
    return True


def _target(schema: Any, reference: str) -> Any:
    """What a JSON pointer leads to; the whole schema for references of other kinds, which is never too little."""
    if not reference.startswith("#/"):
        return schema
    part = schema
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(part, dict) and name in part:
            part = part[name]
        elif isinstance(part, list) and name.isdigit() and int(name) < len(part):
            part = part[int(name)]
        else:
            return schema
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
