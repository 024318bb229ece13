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


def check_schema(schema: Any) -> int:
    """Raise SchemaError for a schema that is no object (or boolean), too large or too deep."""
    if not isinstance(schema, (dict, bool)):
        raise SchemaError("a schema is an object, true or false")
    fault = _too_much(schema, MAX_SCHEMA_DEPTH, MAX_SCHEMA_NODES)
    if fault:
        raise SchemaError(f"the schema has {fault}")
    return 1


def check_instance(instance: Any, growth: int) -> None:
    """Raise SchemaMismatch for a value too large or too deep to be checked."""
    fault = _too_much(instance, MAX_DEPTH, MAX_NODES)
    if fault:
        raise SchemaMismatch([("", f"too much to check: {fault}")])


def _too_much(value: Any, most_depth: int, most_nodes: int) -> str | None:
    level, depth, nodes = [value], 0, 0
    while level:
        nodes += len(level)
        if nodes > most_nodes:
            return f"more than {most_nodes} values"
        if depth > most_depth:
            return f"more than {most_depth} levels"
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, (list, tuple)):
                below.extend(item)
        level = below
        depth += 1
    return None
