"""Python's types as JSON Schema 2020-12. msgspec does the work; here are the shapes that the protocol wants."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin

import msgspec

_REF = "#/$defs/{name}"


def schema_of(kind: Any) -> dict[str, Any]:
    """The schema of a type, an object's own members at its root. Raises TypeError for a type that has none."""
    (root,), definitions = msgspec.json.schema_components([described(kind)], ref_template=_REF)
    name = root.get("$ref", "").removeprefix("#/$defs/")
    if set(root) == {"$ref"} and name in definitions:
        root = definitions[name]
        if not _mentions([*definitions.values()], f"#/$defs/{name}"):
            del definitions[name]
    return {**root, "$defs": definitions} if definitions else dict(root)


def described(kind: Any) -> Any:
    """``Annotated[T, "what it is"]`` with the string as a description, which is what msgspec calls it."""
    if get_origin(kind) is not Annotated:
        return kind
    inner, *extras = get_args(kind)
    notes = [msgspec.Meta(description=extra) if isinstance(extra, str) else extra for extra in extras]
    return Annotated[(inner, *notes)]


def convert(value: Any, kind: Any) -> Any:
    """JSON-like `value` as `kind`. Raises `msgspec.ValidationError`.

    JSON does not tell 1.0 from 1, so a whole number is accepted where an integer is asked for, however it was written.
    """
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        whole = _whole(value)
        if whole is value:
            raise
        return msgspec.convert(whole, kind)


def _whole(value: Any) -> Any:
    """`value` with integers for floats that are whole; `value` itself where there are none."""
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        changed = {key: _whole(item) for key, item in value.items()}
        return changed if any(changed[key] is not value[key] for key in value) else value
    if isinstance(value, list):
        items = [_whole(item) for item in value]
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    return value


def _mentions(schema: Any, ref: str) -> bool:
    if isinstance(schema, dict):
        return schema.get("$ref") == ref or any(_mentions(part, ref) for part in schema.values())
    return isinstance(schema, list) and any(_mentions(part, ref) for part in schema)
