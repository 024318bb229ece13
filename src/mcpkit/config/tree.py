"""A configuration text as a tree that remembers where everything stood, from YAML or JSON.

Scalars stay text: the schema decides what they mean, so ``version: 1.0`` is a text and ``10_000_000`` a number.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcpkit.config.errors import ConfigError, Problem

if TYPE_CHECKING:
    import yaml

MAX_BYTES = 4 << 20
MAX_DEPTH = 64
MAX_NODES = 100_000
"""Bounds of the tree, aliases expanded, so that no file of a few lines grows into gigabytes."""


class Node:
    """Something that stands at `line`, `column` (1-based) of `source`."""

    __slots__ = ("column", "line", "source")

    def __init__(self, line: int, column: int) -> None:
        self.line = line
        self.column = column
        self.source: Source | None = None
        """Set once the whole text has been read."""


class Scalar(Node):
    """A text. `quoted` when it was written as one, so that it is never a number, a truth value or null."""

    __slots__ = ("expanded", "quoted", "text")

    def __init__(self, line: int, column: int, text: str, quoted: bool) -> None:
        super().__init__(line, column)
        self.text = text
        self.quoted = quoted
        self.expanded = False

    @property
    def is_null(self) -> bool:
        return not self.quoted and self.text in ("", "~", "null", "Null", "NULL")


class Sequence(Node):
    """A list."""

    __slots__ = ("items",)

    def __init__(self, line: int, column: int, items: list[Node]) -> None:
        super().__init__(line, column)
        self.items = items


class Table(Node):
    """Keys and values in the file's order, duplicates still in it."""

    __slots__ = ("entries",)

    def __init__(self, line: int, column: int, entries: list[tuple[Scalar, Node]]) -> None:
        super().__init__(line, column)
        self.entries = entries


class Source:
    """Where a text came from, the environment its ``${NAME}`` are taken from, and the folder its paths start from."""

    def __init__(self, file: str, environ: Mapping[str, str], folder: Path | None = None) -> None:
        self.file = file
        self.environ = environ
        self.folder = folder

    def fail(self, line: int, column: int, message: str) -> ConfigError:
        """The error for a fault that makes the rest unreadable."""
        return ConfigError([Problem(self.file, line, column, "", message)])


def read_text(path: str | os.PathLike[str]) -> str:
    """A file's text. Raises ConfigError for what cannot be read, is too large or is not UTF-8."""
    file = Path(path)
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError([Problem(str(path), 0, 0, "", f"larger than {MAX_BYTES} bytes")])
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = f"not UTF-8: byte {error.start} is {error.object[error.start]:#04x}"
        raise ConfigError([Problem(str(path), 0, 0, "", message)]) from None
    except OSError as error:
        raise ConfigError([Problem(str(path), 0, 0, "", error.strerror or str(error))]) from None


def parse(text: str, source: Source) -> Node:
    """The tree of a YAML or (by the file's name) JSON text, ``${NAME:-default}`` expanded in its values."""
    root = _parse_json(text, source) if source.file.endswith(".json") else _parse_yaml(text, source)
    _expand(root, source)
    return root


# YAML: PyYAML's events, put together here. (Its composer recurses in C: a deeply nested text would crash the process.)


def _parse_yaml(text: str, source: Source) -> Node:
    import yaml

    try:
        return _YamlTree(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), source).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise source.fail(line, column, f"not YAML: {error.problem or error.context or 'unreadable'}") from None
    except yaml.YAMLError as error:
        raise source.fail(0, 0, f"not YAML: {' '.join(str(error).split())}") from None


def _place(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (mark.line + 1, mark.column + 1) if mark is not None else (0, 0)


class _YamlTree:
    """Builds nodes from events. An alias stands for the very node its anchor names, and counts as all of it."""

    def __init__(self, events: Iterator[yaml.Event], source: Source) -> None:
        self._events = events
        self._source = source
        self._anchors: dict[str, tuple[Node, int, int] | None] = {}
        """Node, count of nodes and height by anchor; None while the node is being built."""
        self._count = 0

    def document(self) -> Node:
        import yaml

        root: Node | None = None
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                if root is not None:
                    raise self._fail(event, "a second document; a configuration is one")
                root = self._node(next(self._events), 0)[0]
        return root if root is not None else Table(1, 1, [])

    def _fail(self, event: yaml.Event, message: str) -> ConfigError:
        return self._source.fail(*_place(event), message)

    def _node(self, event: yaml.Event, depth: int) -> tuple[Node, int]:
        """The node that begins with `event`, and its height."""
        import yaml

        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, depth)
        if depth > MAX_DEPTH:
            raise self._fail(event, f"nested more than {MAX_DEPTH} deep")
        self._add(event, 1)
        before = self._count - 1
        anchor: str | None = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = None
        line, column = _place(event)
        height = 0
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(line, column, event.value, bool(event.style))
        elif isinstance(event, yaml.SequenceStartEvent):
            items = [self._node(item, depth + 1) for item in self._until(yaml.SequenceEndEvent)]
            node = Sequence(line, column, [item for item, _ in items])
            height = 1 + max((below for _, below in items), default=0)
        else:
            entries: list[tuple[Scalar, Node]] = []
            for item in self._until(yaml.MappingEndEvent):
                key, _ = self._node(item, depth + 1)
                if not isinstance(key, Scalar):
                    raise self._fail(item, "a key must be plain text")
                value, below = self._node(next(self._events), depth + 1)
                entries.append((key, value))
                height = max(height, 1 + below)
            node = Table(line, column, entries)
        if anchor is not None:
            self._anchors[anchor] = (node, self._count - before, height)
        return node, height

    def _until(self, end: type[yaml.Event]) -> Iterator[yaml.Event]:
        while not isinstance(event := next(self._events), end):
            yield event

    def _alias(self, event: yaml.AliasEvent, depth: int) -> tuple[Node, int]:
        if event.anchor not in self._anchors:
            raise self._fail(event, f"no anchor &{event.anchor} stands before this alias")
        known = self._anchors[event.anchor]
        if known is None:
            raise self._fail(event, f"the alias *{event.anchor} stands inside what it names")
        node, count, height = known
        if depth + height > MAX_DEPTH:
            raise self._fail(event, f"nested more than {MAX_DEPTH} deep")
        self._add(event, count)
        return node, height

    def _add(self, event: yaml.Event, count: int) -> None:
        self._count += count
        if self._count > MAX_NODES:
            raise self._fail(event, f"more than {MAX_NODES} values, aliases counted each time")


# JSON: the standard library reads it without positions, so its pieces are put together here.

_SPACE = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def _parse_json(text: str, source: Source) -> Node:
    reader = _JsonReader(text.removeprefix("\ufeff"), source)
    root = reader.value(reader.skip(0), 0)
    end = reader.skip(reader.end)
    if end != len(reader.text):
        raise reader.fail(end, "text after the end of the value")
    return root


class _JsonReader:
    def __init__(self, text: str, source: Source) -> None:
        self.text = text
        self.end = 0
        """Where the value read last ended."""
        self._source = source
        self._line, self._line_start = 1, 0

    def skip(self, at: int) -> int:
        match = _SPACE.match(self.text, at)
        return match.end() if match else at

    def place(self, at: int) -> tuple[int, int]:
        """Line and column of an offset; asked for in rising order, so that lines are counted once."""
        if at < self._line_start:
            self._line, self._line_start = 1, 0
        breaks = self.text.count("\n", self._line_start, at)
        if breaks:
            self._line += breaks
            self._line_start = self.text.rfind("\n", 0, at) + 1
        return self._line, at - self._line_start + 1

    def fail(self, at: int, message: str) -> ConfigError:
        return self._source.fail(*self.place(at), f"not JSON: {message}")

    def value(self, at: int, depth: int) -> Node:
        line, column = self.place(at)
        if depth > MAX_DEPTH:
            raise self._source.fail(line, column, f"nested more than {MAX_DEPTH} deep")
        match self.text[at : at + 1]:
            case "{":
                return Table(line, column, list(self._members(at + 1, depth + 1)))
            case "[":
                return Sequence(line, column, list(self._items(at + 1, depth + 1)))
            case '"':
                return self._string(at)
        match = _PLAIN.match(self.text, at)
        if match is None:
            raise self.fail(at, "expected a value")
        self.end = match.end()
        return Scalar(line, column, match[0], False)

    def _string(self, at: int) -> Scalar:
        line, column = self.place(at)
        try:
            text, self.end = scanstring(self.text, at + 1, True)
        except json.JSONDecodeError as error:
            raise self.fail(error.pos, error.msg) from None
        check_text(text, line, column, self._source)
        return Scalar(line, column, text, True)

    def _members(self, at: int, depth: int) -> Iterator[tuple[Scalar, Node]]:
        at = self.skip(at)
        if self.text[at : at + 1] == "}":
            self.end = at + 1
            return
        while True:
            if self.text[at : at + 1] != '"':
                raise self.fail(at, 'expected a key in double quotes, or "}"')
            key = self._string(at)
            at = self.skip(self.end)
            if self.text[at : at + 1] != ":":
                raise self.fail(at, 'expected ":"')
            yield key, self.value(self.skip(at + 1), depth)
            at = self.skip(self.end)
            if not self._comma(at, "}"):
                return
            at = self.skip(at + 1)

    def _items(self, at: int, depth: int) -> Iterator[Node]:
        at = self.skip(at)
        if self.text[at : at + 1] == "]":
            self.end = at + 1
            return
        while True:
            yield self.value(at, depth)
            at = self.skip(self.end)
            if not self._comma(at, "]"):
                return
            at = self.skip(at + 1)

    def _comma(self, at: int, closing: str) -> bool:
        found = self.text[at : at + 1]
        if found == closing:
            self.end = at + 1
            return False
        if found != ",":
            raise self.fail(at, f'expected "," or "{closing}"')
        return True


# ${NAME}, ${NAME:-default}; $${ is a literal ${. Values from the environment are never read as structure.

_VARIABLE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


def _expand(node: Node, source: Source) -> None:
    node.source = source
    if isinstance(node, Table):
        for key, value in node.entries:
            key.source = source
            _expand(value, source)
    elif isinstance(node, Sequence):
        for item in node.items:
            _expand(item, source)
    elif isinstance(node, Scalar) and "${" in node.text and not node.expanded:
        node.text = _VARIABLE.sub(_replacer(node, source), node.text)
        node.expanded = True
        check_text(node.text, node.line, node.column, source)


def check_text(text: str, line: int, column: int, source: Source) -> None:
    """Raise ConfigError for a text that is no Unicode: the operating system's may hold any bytes."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise source.fail(line, column, f"not Unicode text: a lone surrogate at character {error.start + 1}") from None


def _replacer(node: Scalar, source: Source) -> Callable[[re.Match[str]], str]:
    def replace(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        name, default = match[1], match[2]
        if name is None:
            message = "a variable is written ${NAME} or ${NAME:-default}; write $${ for a literal ${"
            raise source.fail(node.line, node.column, message)
        value = source.environ.get(name)
        if value or (value is not None and default is None):
            return value
        if default is None:
            message = f"the environment variable {name} is not set; set it, or write ${{{name}:-default}}"
            raise source.fail(node.line, node.column, message)
        return str(default)

    return replace


# Free-form values (JSON Schemas, annotations): YAML 1.2's core types.

_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"[-+]?[0-9]+(?:_[0-9]+)*")
_TRUTH = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def free(node: Node, fault: Callable[[Node, str], None]) -> Any:
    """The node as plain JSON data. `fault` is told of duplicate keys and of numbers too large for 64 bits."""
    if isinstance(node, Table):
        out: dict[str, Any] = {}
        for key, value in node.entries:
            if key.text in out:
                fault(key, f"the key {key.text!r} stands twice in one place")
            out[key.text] = free(value, fault)
        return out
    if isinstance(node, Sequence):
        return [free(item, fault) for item in node.items]
    assert isinstance(node, Scalar)
    if node.quoted:
        return node.text
    if node.is_null:
        return None
    if node.text in _TRUTH:
        return _TRUTH[node.text]
    if not _FLOAT.fullmatch(node.text) and not _INTEGER.fullmatch(node.text):
        return node.text
    return _number(node, fault)


def _number(node: Scalar, fault: Callable[[Node, str], None]) -> int | float:
    if len(node.text) <= 40 and _INTEGER.fullmatch(node.text):
        number: int | float = int(node.text)
        fits = -(1 << 63) <= number < 1 << 64
    else:
        number = float(node.text.replace("_", ""))
        fits = math.isfinite(number)
    if not fits:
        fault(node, f"{node.text[:40]} is too large a number; put it in quotes if it is a text")
        return 0
    return number
