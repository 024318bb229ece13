"""The configuration's shape as a JSON Schema, for editors.

It says what can be said of single keys; what concerns several keys, or files, is for `mcpkit validate`.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from mcpkit.config import units
from mcpkit.config.convert import Check, Custom, Fraction, Quantity, Range, is_section, keys
from mcpkit.config.schema import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_GROUPS = "[0-9]+(_[0-9]+)*"
_QUANTITIES: dict[Callable[[str], int], str] = {
    units.size: rf"^\s*{_GROUPS}(\.[0-9]+)?\s*([KMG]i?B?|B)?\s*$",
    units.duration: rf"^\s*{_GROUPS}(\.[0-9]+)?\s*(ms|s|m|h)\s*$",
    units.compute_units: rf"^\s*{_GROUPS}(\.[0-9]+)?\s*[KMGB]?\s*$",
    units.millicores: rf"^\s*{_GROUPS}(\.[0-9]+)?\s*m?\s*$",
}
_VARIABLE: dict[str, Any] = {"$ref": "#/$defs/variable"}
"""``${NAME}`` may stand wherever a text, number or truth value may."""


def json_schema() -> dict[str, Any]:
    """A JSON Schema (draft 2020-12) of every key that this version acts on."""
    shape = _Shape()
    root = shape.section(Config)
    variable = {
        "type": "string",
        "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}",
        "description": "A value with a variable of the environment in it.",
    }
    return {"$schema": DIALECT, "title": "mcpkit configuration", **root, "$defs": {"variable": variable, **shape.defs}}


class _Shape:
    def __init__(self) -> None:
        self.defs: dict[str, Any] = {}
        """Schemas of sections by their names."""

    def section(self, section: type[Any]) -> dict[str, Any]:
        said = _said(section)
        properties: dict[str, Any] = {}
        for key, field in keys(section).items():
            schema = self._key(field)
            if text := said.get(field.name):
                schema["description"] = text
            if key in section.OLD:
                schema["deprecated"] = True
            properties[key] = schema
        required = [key for key, field in keys(section).items() if field.required]
        out: dict[str, Any] = {"type": "object"}
        if section.__doc__:
            out["description"] = " ".join(section.__doc__.split())
        out |= {"properties": properties, "additionalProperties": False}
        return out | ({"required": required} if required else {})

    def _key(self, field: Any) -> dict[str, Any]:
        choices = self._choices(field.type)
        if not field.required:
            choices.append({"type": "null"})
        schema = dict(_any_of(choices))
        if isinstance(field.default, (bool, str)):
            return {**schema, "default": field.default}
        return schema

    def _choices(self, kind: Any) -> list[dict[str, Any]]:
        if kind is type(None):
            return []
        origin = get_origin(kind)
        if origin is Annotated:
            base, *marks = get_args(kind)
            if isinstance(marks[0], Custom):  # here, in Wassette's shape, or the path of its own file
                shape = {"type": "object", "required": ["permissions"]}
                return [*self._choices(base), shape, {"type": "string", "minLength": 1}]
            return _marked(marks[0]) or self._choices(base)
        if origin is Literal:
            return [{"enum": list(get_args(kind))}, _VARIABLE]
        if origin is tuple:
            return [{"type": "array", "items": _any_of(self._choices(get_args(kind)[0]))}]
        if origin is dict:
            return [{"type": "object"}]
        if kind is bool:
            return [{"type": "boolean"}, _VARIABLE]
        if kind in (str, Path):
            # What looks like a number or a truth value is a text here.
            return [{"type": ["string", "number", "boolean"], **({"minLength": 1} if kind is Path else {})}]
        if is_section(kind):
            if kind.__name__ not in self.defs:
                self.defs[kind.__name__] = {}
                self.defs[kind.__name__] = self.section(kind)
            return [{"$ref": f"#/$defs/{kind.__name__}"}, *self._short(kind)]
        return [choice for option in get_args(kind) for choice in self._choices(option)]

    def _short(self, section: type[Any]) -> list[dict[str, Any]]:
        """What stands for a section where only one of its keys is needed."""
        found = keys(section)
        text = self._choices(found[section.SCALAR_KEY].type) if section.SCALAR_KEY else []
        return text + (self._choices(found[section.LIST_KEY].type) if section.LIST_KEY else [])


def _any_of(choices: list[dict[str, Any]]) -> dict[str, Any]:
    return choices[0] if len(choices) == 1 else {"anyOf": choices}


def _marked(mark: Any) -> list[dict[str, Any]]:
    match mark:
        case Quantity(parse=parse, allow_number=allow_number):
            text: dict[str, Any] = {"type": "string", "pattern": _QUANTITIES[parse]}
            least = {"exclusiveMinimum": 0} if parse is units.millicores else {"minimum": 1}
            return [*([{"type": "number", **least}] if allow_number else []), text, _VARIABLE]
        case Range(low=low, high=high):
            number = {"type": "integer", "minimum": low, "maximum": high}
            # Readers of YAML 1.2 take a number with digit groups for a text.
            return [number, {"type": "string", "pattern": "^[0-9]+(_[0-9]+)+$"}, _VARIABLE]
        case Fraction():
            return [{"type": "number", "exclusiveMinimum": 0, "maximum": 1}, _VARIABLE]
        case Check(holds=holds, rule=rule, pattern=pattern):
            text = {"type": "string", "$comment": rule, **({"pattern": pattern} if pattern else {})}
            others: list[dict[str, Any]] = [{"type": "number"}, {"type": "boolean"}] if holds("0") else []
            if holds("1") and not others:  # a version
                others = [{"type": "number", "minimum": 1, "exclusiveMaximum": 2}]
            return [text, *others, _VARIABLE]
    return []


def _said(section: type[Any]) -> dict[str, str]:
    """What the source says under each field."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[section.__module__]))
    except OSError:  # installed without its source
        return {}
    classes = [one for one in ast.walk(tree) if isinstance(one, ast.ClassDef) and one.name == section.__name__]
    said: dict[str, str] = {}
    for field, text in pairwise(classes[0].body if classes else []):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            said[field.target.id] = " ".join(str(text.value.value).split())
    return said
