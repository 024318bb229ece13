"""A configuration as it is in force, every value with the place it came from. Secrets are left out."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from mcpkit.config import units
from mcpkit.config.convert import Quantity, Secret, is_section, keys, options
from mcpkit.config.load import Loaded

REDACTED = "(not shown)"
DEFAULT = "default"

_PLAIN = re.compile(r"[A-Za-z0-9/.][A-Za-z0-9_./-]*")
_OTHERS = {"null", "true", "false", "yes", "no", "on", "off"}
"""What some reader of YAML would not take for a text."""


class Free(dict[str, Any]):
    """A mapping that is not a section: a JSON Schema, annotations."""


def plain(value: Any, kind: Any) -> Any:
    """A value as a file would have it, as JSON data."""
    if value is None:
        return None
    if is_section(type(value)):
        return {key: plain(getattr(value, field.name), field.type) for key, field in keys(type(value)).items()}
    if _is_marked(kind, Secret):
        return REDACTED
    if isinstance(value, tuple):
        (item, *_) = next(get_args(option) for option in options(kind) if get_origin(option) is tuple)
        return [plain(one, item) for one in value]
    if isinstance(value, dict):
        return Free(_literal(value))
    if isinstance(value, Path):
        return _literal(os.path.abspath(value))  # noqa: PTH100 -- links on the way may be meant
    for mark in _marks(kind):
        if isinstance(mark, Quantity):
            return _quantity(value, mark)
    return _literal(value)


def _literal(value: Any) -> Any:
    """A value in whose texts ``${`` stands for itself."""
    if isinstance(value, dict):
        return {key: _literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_literal(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value


def as_json(loaded: Loaded) -> dict[str, Any]:
    """``config``: a configuration that means the same; ``origins``: where each key that is set was set."""
    return {"config": _config(loaded), "origins": dict(loaded.origins)}


def as_yaml(loaded: Loaded) -> str:
    """A configuration that means the same, each value with a comment on where it came from."""
    rows = [*_section(_config(loaded), loaded, "", "")]
    width = min(max(len(text) for text, _ in rows), 56)
    return "\n".join(f"{text:<{width}}  # {where}" if where else text for text, where in rows)


def _config(loaded: Loaded) -> dict[str, Any]:
    config = loaded.config
    members: dict[str, Any] = plain(config, type(config))
    if not config.security.enabled:  # an empty section would be a fault
        del members["security"]
    return members


def _section(members: dict[str, Any], loaded: Loaded, path: str, indent: str) -> Iterator[tuple[str, str]]:
    for key, value in members.items():
        here = f"{path}.{key}" if path else key
        where = _harmless(loaded.origins.get(here, DEFAULT))
        if isinstance(value, dict) and not isinstance(value, Free):
            yield f"{indent}{key}:", ""
            yield from _section(value, loaded, here, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{indent}{key}:", where
            for i, item in enumerate(value):
                first, *rest = _section(item, loaded, f"{here}[{i}]", indent + "    ")
                yield f"{indent}  - {first[0].strip()}", first[1]
                yield from rest
        else:
            yield f"{indent}{key}: {_scalar(value)}".rstrip(), where


def _scalar(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return _text(value)
        case list():
            return f"[{', '.join(_scalar(item) for item in value)}]"
        case dict():
            return "{" + ", ".join(f"{_quoted(key)}: {_free(item)}" for key, item in value.items()) + "}"
    return repr(value)


def _free(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, str):
        return _quoted(value)
    return f"[{', '.join(map(_free, value))}]" if isinstance(value, list) else _scalar(value)


def _text(text: str) -> str:
    return text if _PLAIN.fullmatch(text) and text.lower() not in _OTHERS else _quoted(text)


def _quoted(text: str) -> str:
    """In double quotes, by YAML's rules, which know no surrogates."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else f"\\U{ord(character):08X}"


def _harmless(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def _marks(kind: Any) -> Iterator[Any]:
    if get_origin(kind) is Annotated:
        base, *marks = get_args(kind)
        yield from marks
        yield from _marks(base)
    else:
        for option in get_args(kind):
            if get_origin(option) is Annotated:
                yield from _marks(option)


def _is_marked(kind: Any, mark: type) -> bool:
    return any(isinstance(one, mark) for one in _marks(kind))


def _quantity(value: int, mark: Quantity) -> str:
    if mark.parse is units.size:
        return units.show_size(value)
    if mark.parse is units.duration:
        short = units.show_duration(value)
        return short if units.duration(short) == value else f"{Decimal(value) / 10**6:f}ms"
    return f"{value}m" if mark.parse is units.millicores else f"{value:_}"


def dumps(loaded: Loaded) -> str:
    """`as_json` as text."""
    return json.dumps(as_json(loaded), indent=2, ensure_ascii=False)
