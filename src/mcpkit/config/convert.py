"""A tree of positions and texts into the schema's structs, gathering every problem on the way."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from mcpkit.config import units
from mcpkit.config.errors import Problem, UnitError
from mcpkit.config.tree import Node, Scalar, Sequence, Table, free


class Quantity(msgspec.Struct, frozen=True):
    """Marks a number written with a unit."""

    parse: Callable[[str], int]
    allow_number: bool
    """Whether it may stand without quotes and without a unit."""


class Range(msgspec.Struct, frozen=True):
    """Marks a whole number between two bounds, both included."""

    low: int
    high: int


class Fraction(msgspec.Struct, frozen=True):
    """Marks a number above 0 and up to 1."""


class Check(msgspec.Struct, frozen=True):
    """Marks a text with a condition."""

    holds: Callable[[str], bool]
    rule: str
    pattern: str = ""
    """As much of the condition as a regular expression can say, for editors."""


class Secret(msgspec.Struct, frozen=True):
    """Marks a text that is never shown."""


def keys(section: type[Any]) -> dict[str, Any]:
    """The fields of a section that a file may set, by key."""
    not_yet: dict[str, str] = section.NOT_YET
    fields = [field for field in msgspec.structs.fields(section) if not _is_placed(field.type)]
    return {field.encode_name: field for field in fields if field.encode_name not in not_yet}


def options(kind: Any) -> Iterator[Any]:
    """The types that a key's value may have, marks taken off."""
    origin = get_origin(kind)
    if origin is Annotated:
        yield from options(get_args(kind)[0])
    elif origin in (types.UnionType, Union):
        for option in get_args(kind):
            yield from options(option)
    else:
        yield kind


def is_section(kind: Any) -> bool:
    """Whether a type is a section of the schema."""
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


class Place(msgspec.Struct, frozen=True, eq=False):
    """Where something stands, and the folder that relative paths in it are relative to.

    Two are equal where the same text means the same there.
    """

    file: str = ""
    line: int = 0
    folder: Path = Path()

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Place) and other.folder == self.folder

    def __hash__(self) -> int:
        return hash(self.folder)


class Placed(msgspec.Struct, frozen=True):
    """Marks a field that no file has: the converter fills it with the `Place` of its struct."""


class Custom(msgspec.Struct, frozen=True):
    """Marks a value that a function converts; it notes problems itself and returns None where there were any."""

    convert: Callable[[Converter, Node, str], Any]


class _MisfitError(Exception):
    """The value does not fit; the problem is noted where it is caught."""


class Converter:
    """Converts a tree. Nodes know their files; `file` and `folder` stand for those of nodes that do not."""

    def __init__(self, file: str, folder: Path) -> None:
        self.file = file
        self.folder = folder
        self.problems: list[Problem] = []
        self.places: dict[str, Node] = {}
        """Where each key's value stands, for checks that look at several keys."""

    def note(self, node: Node, path: str, message: str) -> None:
        """Add a problem."""
        file = node.source.file if node.source is not None else self.file
        self.problems.append(Problem(file, node.line, node.column, path, message))

    def struct(self, node: Node, struct: type[Any], path: str) -> Any:
        """The struct, or None when a problem was noted in it."""
        if isinstance(node, Scalar) and node.is_null:
            node = standing_for(node, Table(node.line, node.column, []))
        short = struct.SCALAR_KEY if isinstance(node, Scalar) else struct.LIST_KEY if isinstance(node, Sequence) else ""
        if short:
            node = standing_for(
                node, Table(node.line, node.column, [(Scalar(node.line, node.column, short, False), node)])
            )
        if not isinstance(node, Table):
            self.note(node, path, f"expected keys and values, got {_describe(node)}")
            return None
        fields = msgspec.structs.fields(struct)
        known = {field.encode_name: field for field in fields if not _is_placed(field.type)}
        not_yet: dict[str, str] = struct.NOT_YET
        place = self._place(node)
        values: dict[str, Any] = {field.name: place for field in fields if _is_placed(field.type)}
        if path:
            self.places.setdefault(path, node)
        seen: dict[str, Scalar] = {}
        before = len(self.problems)
        for key, value in node.entries:
            here = f"{path}.{key.text}" if path else key.text
            if key.text in seen:
                self.note(key, here, f"stands twice in one place; first on line {seen[key.text].line}")
                continue
            seen[key.text] = key
            if key.text in not_yet:
                self.note(key, here, not_yet[key.text])
                continue
            field = known.get(key.text)
            if field is None:
                self.note(key, here, _unknown(key.text, [*known, *not_yet]))
                continue
            self.places[here] = value
            if isinstance(value, Scalar) and value.is_null and not field.required:
                continue
            values[field.name] = self.value(value, field.type, here)
        for name, field in known.items():
            if field.required and name not in seen:
                self.note(node, f"{path}.{name}" if path else name, "is missing")
        return struct(**values) if len(self.problems) == before else None

    def value(self, node: Node, kind: Any, path: str) -> Any:
        """One value; None when a problem was noted (the whole is then thrown away)."""
        try:
            return self._value(node, kind, path)
        except (_MisfitError, UnitError) as error:
            self.note(node, path, str(error))
            return None

    def _value(self, node: Node, kind: Any, path: str) -> Any:
        origin = get_origin(kind)
        if origin in (types.UnionType, Union):
            return self._union(node, [option for option in get_args(kind) if option is not types.NoneType], path)
        if origin is Annotated:
            return self._marked(node, kind, path)
        if origin is Literal:
            return _choice(node, get_args(kind))
        if origin is tuple:
            if not isinstance(node, Sequence):
                raise _MisfitError(f"expected a list, got {_describe(node)}")
            items = enumerate(node.items)
            return tuple(self.value(item, get_args(kind)[0], f"{path}[{i}]") for i, item in items)
        if origin is dict:
            if not isinstance(node, Table):
                raise _MisfitError(f"expected keys and values, got {_describe(node)}")
            return free(node, lambda at, message: self.note(at, path, message))
        if kind is bool:
            return _truth(node)
        if kind is str:
            return _text(node)
        if kind is Path:
            return self.path(node)
        return self.struct(node, kind, path)

    def _union(self, node: Node, options: list[Any], path: str) -> Any:
        if len(options) == 1:
            return self._value(node, options[0], path)
        structs = [option for option in options if isinstance(option, type) and issubclass(option, msgspec.Struct)]
        others = [option for option in options if option not in structs]
        return self._value(node, (structs if isinstance(node, Table) else others)[0], path)

    def _marked(self, node: Node, kind: Any, path: str) -> Any:
        base, mark, *_ = get_args(kind)
        match mark:
            case Quantity(parse=parse, allow_number=allow_number):
                text = _text(node)
                if not allow_number and units.is_integer(text):
                    raise _MisfitError(f"{text} has no unit; write for example {text}s")
                return parse(text)
            case Range(low=low, high=high):
                number = _number(node)
                if not low <= number <= high:
                    raise _MisfitError(f"must be between {low} and {high}, got {number}")
                return number
            case Fraction():
                return _fraction(node)
            case Check(holds=holds, rule=rule):
                text = _text(node)
                if not holds(text):
                    raise _MisfitError(f"{rule}, got {text!r}")
                return text
            case Custom(convert=convert):
                return convert(self, node, path)
        return self._value(node, base, path)

    def path(self, node: Node) -> Path:
        """A path, relative to the folder of the file that has it."""
        text = _text(node)
        if not text:
            raise _MisfitError("expected a path, got an empty text")
        return self._place(node).folder / Path(text).expanduser()

    def _place(self, node: Node) -> Place:
        if node.source is None:
            return Place(self.file, node.line, self.folder)
        folder = node.source.folder
        return Place(node.source.file, node.line, self.folder if folder is None else folder)


def standing_for(node: Node, other: Table) -> Table:
    """`other`, which stands where `node` does."""
    other.source = node.source
    return other


def _is_placed(kind: Any) -> bool:
    return get_origin(kind) is Annotated and any(isinstance(mark, Placed) for mark in get_args(kind)[1:])


def _scalar(node: Node, expected: str) -> Scalar:
    if not isinstance(node, Scalar) or node.is_null:
        raise _MisfitError(f"expected {expected}, got {_describe(node)}")
    return node


def _text(node: Node) -> str:
    return _scalar(node, "a text").text


def _number(node: Node) -> int:
    scalar = _scalar(node, "a whole number")
    if scalar.quoted and not scalar.expanded:
        raise _MisfitError(f"expected a whole number, got the text {scalar.text!r}; remove the quotes")
    return units.integer(scalar.text)


def _fraction(node: Node) -> float:
    scalar = _scalar(node, "a number")
    try:
        number = float(scalar.text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 1:
        raise _MisfitError(f"must be a number above 0 and up to 1, got {scalar.text!r}")
    return number


def _truth(node: Node) -> bool:
    scalar = _scalar(node, "true or false")
    if (scalar.quoted and not scalar.expanded) or scalar.text not in ("true", "false"):
        raise _MisfitError(f"expected true or false, got {scalar.text!r}")
    return scalar.text == "true"


def _choice(node: Node, choices: tuple[str, ...]) -> str:
    text = _scalar(node, f"one of {', '.join(choices)}").text
    if text in choices:
        return text
    if text == "grpc":
        raise _MisfitError("grpc is not yet available; the gateway will bring it; use http or stdio")
    later = {"web_socket", "websocket"} & {text}
    note = "is not supported yet in this version" if later else "is none of the choices"
    hint = "" if later else _nearest(text, choices)
    raise _MisfitError(f"{text!r} {note}; choose one of {', '.join(choices)}{hint}")


def _describe(node: Node) -> str:
    if isinstance(node, Table):
        return "keys and values"
    if isinstance(node, Sequence):
        return "a list"
    assert isinstance(node, Scalar)
    return "nothing" if node.is_null else repr(node.text[:60])


def _unknown(key: str, known: list[str]) -> str:
    if key == "<<":
        return "merge keys are not supported; write the keys out"
    hint = _nearest(key, known)
    return f"unknown key{hint}" if hint else f"unknown key; there are {', '.join(sorted(known))}"


def _nearest(text: str, known: list[str] | tuple[str, ...]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(text.lower(), known, 1, 0.6)
    return f"; did you mean {near[0]!r}?" if near else ""
