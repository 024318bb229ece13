"""Arguments that travel in HTTP headers too: ``x-mcp-header`` in a tool's input schema.

A parameter so annotated is mirrored into ``Mcp-Param-NAME``, so that what stands between client and server can route by
it without reading the body. Whoever reads the body has to see to it that both say the same.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple, cast

from mcpkit.schema.errors import HeaderMismatchError, SchemaError

KEYWORD = "x-mcp-header"
PREFIX = "Mcp-Param-"
SAFE_INTEGER = 2**53 - 1
"""Larger integers are not the same number everywhere."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ENCODED = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)
_PLAIN = re.compile(rb"[\t\x20-\x7e]*")
_INTEGER = re.compile(r"-?[0-9]{1,400}(?:\.0{1,400})?")

Primitive = Literal["string", "integer", "boolean"]


class HeaderParameter(NamedTuple):
    """One annotated parameter: where its value is in the arguments, and the header ``Mcp-Param-`` + `name`."""

    path: tuple[str, ...]
    name: str
    type: Primitive

    @property
    def header(self) -> str:
        return PREFIX + self.name


def header_parameters(schema: dict[str, Any]) -> list[HeaderParameter]:
    """The annotated parameters of an input schema. Raises SchemaError for an annotation that the protocol forbids."""
    found: list[HeaderParameter] = []
    taken: dict[str, tuple[str, ...]] = {}
    for place, path, holder in _annotated(schema, (), ()):
        name = holder[KEYWORD]
        where = ".".join(path or place) or "the root"
        if path is None or not path:
            raise SchemaError(f"{where}: {KEYWORD} belongs to members reached through properties alone")
        if not isinstance(name, str) or not _TOKEN.fullmatch(name):
            raise SchemaError(f"{where}: {KEYWORD} is {name!r}; it has to be the end of an HTTP header's name")
        kind = holder.get("type")
        if kind not in ("string", "integer", "boolean"):
            raise SchemaError(f"{where}: {KEYWORD} is for a string, an integer or a boolean, not for {kind!r}")
        if name.lower() in taken:
            raise SchemaError(f"{where}: {KEYWORD} {name!r} is taken by {'.'.join(taken[name.lower()])}")
        taken[name.lower()] = path
        found.append(HeaderParameter(path, name, cast("Primitive", kind)))
    return found


def check_headers(
    parameters: Sequence[HeaderParameter], arguments: Any, header: Callable[[str], Sequence[bytes]]
) -> None:
    """Raise HeaderMismatchError unless headers and arguments agree.

    `header` gives all values of a header, whatever the case of its name.
    """
    for parameter in parameters:
        given = header(parameter.header)
        value = _value(arguments, parameter.path)
        if len(given) > 1:
            raise HeaderMismatchError(f"{parameter.header} is there {len(given)} times")
        if value is None:
            if given:
                raise HeaderMismatchError(f"{parameter.header} is there, but the argument {_shown(parameter)} is not")
        elif not given:
            raise HeaderMismatchError(f"{parameter.header} is missing; it repeats the argument {_shown(parameter)}")
        elif not _agree(_decoded(given[0], parameter.header), value):
            raise HeaderMismatchError(f"{parameter.header} does not say what the argument {_shown(parameter)} says")


def _annotated(
    schema: Any, place: tuple[str, ...], path: tuple[str, ...] | None
) -> Iterator[tuple[tuple[str, ...], tuple[str, ...] | None, dict[str, Any]]]:
    """Every subschema with the keyword: its place in the schema, and its path in arguments (None: not reachable)."""
    if isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from _annotated(part, (*place, str(index)), None)
    if not isinstance(schema, dict):
        return
    if KEYWORD in schema:
        yield place, path, schema
    for keyword, part in schema.items():
        if keyword in {"const", "enum", "default", "examples", KEYWORD}:
            continue  # values, which may look like schemas
        if keyword in {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}:
            for name, member in part.items() if isinstance(part, dict) else ():
                below = (*path, name) if path is not None and keyword == "properties" else None
                yield from _annotated(member, (*place, keyword, name), below)
        else:
            yield from _annotated(part, (*place, keyword), None)


def _value(arguments: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(arguments, dict) or name not in arguments:
            return None
        arguments = arguments[name]
    return arguments


def _decoded(raw: bytes, header: str) -> str:
    if not _PLAIN.fullmatch(raw):
        raise HeaderMismatchError(f"{header} has characters that a header may not have; send them as =?base64?…?=")
    text = raw.decode("ascii").strip(" \t")
    encoded = _ENCODED.fullmatch(text)
    if encoded is None:
        return text
    try:
        return base64.b64decode(encoded[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise HeaderMismatchError(f"{header} is marked as Base64 of UTF-8 and is not") from None


def _agree(text: str, value: Any) -> bool:
    if isinstance(value, bool):
        return text == ("true" if value else "false")
    if isinstance(value, str):
        return text == value
    if isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        return bool(_INTEGER.fullmatch(text)) and abs(value) <= SAFE_INTEGER and int(text.partition(".")[0]) == value
    return False  # no value that the annotation is for: no header can stand for it


def _shown(parameter: HeaderParameter) -> str:
    return ".".join(parameter.path)
