"""JSON Schema (2020-12) of described WIT types.

Exactly what the core's conversion accepts and writes; cext/wasm/values.h has the rules.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from mcpkit.guests.describe import Function, WitType

Schema: TypeAlias = dict[str, Any]
Direction: TypeAlias = Literal["in", "out"]
"""Into the tool, or out of it: arguments may leave options away and give a tuple as an array."""

INTEGERS = {f"{sign}{bits}" for sign in "su" for bits in (8, 16, 32, 64)}
F32_END = 3.4028235677973366e38
"""The first number that rounds beyond the largest f32."""
NOT_FINITE = ("NaN", "Infinity", "-Infinity")


def input_schema(function: Function) -> Schema:
    """Of the arguments: one property per parameter."""
    return _object([(param.name, param.type) for param in function.params], "in")


def output_schema(function: Function) -> Schema:
    """Of the structured content: ``{"result": …}``.

    For a function that returns a WIT `result` the value is the payload of ok; err becomes a tool error.
    """
    type_ = function.result
    if isinstance(type_, dict) and "result" in type_:
        type_ = type_["result"]["ok"]
    return _closed({"result": _payload(type_, "out")})


def type_schema(type_: WitType, direction: Direction) -> Schema:
    """Of one value."""
    if isinstance(type_, str):
        return _plain(type_)
    ((kind, inner),) = type_.items()
    match kind:
        case "list":
            return {"type": "array", "items": type_schema(inner, direction)}
        case "record":
            return _object([(field["name"], field["type"]) for field in inner], direction)
        case "tuple":
            return _tuple(inner, direction)
        case "variant":
            return {"oneOf": [_case(case["name"], case["type"], direction) for case in inner]}
        case "enum":
            return {"type": "string", "enum": list(inner)}
        case "option":
            return _option(inner, direction)
        case "result":
            return {"oneOf": [_closed({side: _payload(inner[side], direction)}) for side in ("ok", "err")]}
        case "flags":
            return {"type": "array", "items": {"type": "string", "enum": list(inner)}, "uniqueItems": True}
        case "map":
            return {"type": "array", "items": _row([type_schema(side, direction) for side in inner])}
        case _:
            raise ValueError(f"no schema for {kind}: {inner}")


def _plain(name: str) -> Schema:
    match name:
        case "bool":
            return {"type": "boolean"}
        case "char":
            return {"type": "string", "minLength": 1, "maxLength": 1}
        case "string":
            return {"type": "string"}
        case "f32":
            number: Schema = {"type": "number", "exclusiveMinimum": -F32_END, "exclusiveMaximum": F32_END}
        case "f64":
            number = {"type": "number"}
        case _ if name in INTEGERS:
            bits = int(name[1:])
            least, most = (0, 2**bits - 1) if name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
            return {"type": "integer", "minimum": least, "maximum": most}
        case _:
            raise ValueError(f"no schema for the type {name!r}")
    return {"anyOf": [number, {"enum": list(NOT_FINITE)}]}


def _closed(properties: dict[str, Schema], required: Iterable[str] | None = None) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    needed = list(properties if required is None else required)
    if needed:
        schema["required"] = needed
    schema["additionalProperties"] = False
    return schema


def _object(fields: list[tuple[str, WitType]], direction: Direction) -> Schema:
    required = [name for name, type_ in fields if direction == "out" or not _is_option(type_)]
    return _closed({name: type_schema(type_, direction) for name, type_ in fields}, required)


def _is_option(type_: WitType) -> bool:
    return isinstance(type_, dict) and "option" in type_


def _row(items: list[Schema]) -> Schema:
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items), "maxItems": len(items)}


def _tuple(types: list[WitType], direction: Direction) -> Schema:
    named = _object([(f"val{index}", type_) for index, type_ in enumerate(types)], direction)
    if direction == "out":
        return named
    return {"anyOf": [_row([type_schema(type_, direction) for type_ in types]), named]}


def _payload(type_: WitType | None, direction: Direction) -> Schema:
    return {"type": "null"} if type_ is None else type_schema(type_, direction)


def _case(name: str, type_: WitType | None, direction: Direction) -> Schema:
    tag: dict[str, Schema] = {"tag": {"const": name}}
    return _closed(tag if type_ is None else tag | {"val": type_schema(type_, direction)})


def _option(inner: WitType, direction: Direction) -> Schema:
    schema = type_schema(inner, direction)
    if _is_option(inner):
        schema = _closed({"some": schema})
    if isinstance(schema.get("type"), str) and "enum" not in schema:
        return schema | {"type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}
