"""JSON text with the place of every value, comments and trailing commas included where the format has them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from mcpkit.cli.install.errors import SyntaxFaultError

MAX_DEPTH = 200

_SPACE = re.compile(r"[ \t\r\n]+")
_COMMENT = re.compile(r"//[^\r\n]*|/\*.*?\*/", re.S)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_PLAIN = re.compile(r"true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


@dataclass
class Value:
    """A value that stands at text[start:end]."""

    start: int
    end: int
    data: Any
    """The value as Python has it; of keys that stand twice the last one counts."""
    members: list[Member] | None = None
    """Of an object, in the text's order; None for any other value."""
    commented: bool = False
    """Whether a comment stands in it."""

    def get(self, key: str) -> Member | None:
        """The member of that name; the last where there are several."""
        return next((member for member in reversed(self.members or []) if member.key == key), None)


@dataclass
class Member:
    """One ``"key": value`` of an object."""

    key: str
    start: int
    """Where the key begins …"""
    key_end: int
    """… and ends."""
    value: Value
    comma: int | None = field(default=None)
    """Where the comma after it stands."""


def parse(text: str, comments: bool) -> Value:
    """The one value of a text. `comments` admits comments and trailing commas. Raises SyntaxFaultError."""
    return _Reader(text, comments).document()


def place(text: str, at: int) -> tuple[int, int]:
    """Line and column of an offset, both from 1."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


class _Reader:
    def __init__(self, text: str, comments: bool) -> None:
        self.text = text
        self.lenient = comments
        self.seen = 0
        """Comments so far."""

    def fail(self, at: int, message: str) -> SyntaxFaultError:
        return SyntaxFaultError(*place(self.text, at), message)

    def document(self) -> Value:
        value = self.value(self.skip(0), 0)
        end = self.skip(value.end)
        if end != len(self.text):
            raise self.fail(end, "text after the end of the value")
        return value

    def skip(self, at: int) -> int:
        """The next offset that is neither white space nor comment."""
        while True:
            if space := _SPACE.match(self.text, at):
                at = space.end()
            if self.text[at : at + 1] != "/":
                return at
            comment = _COMMENT.match(self.text, at)
            if comment is None:
                raise self.fail(at, "a comment without an end" if self.text[at : at + 2] == "/*" else "a stray slash")
            if not self.lenient:
                raise self.fail(at, "a comment; this file is plain JSON, which has none")
            self.seen += 1
            at = comment.end()

    def value(self, at: int, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise self.fail(at, f"nested more than {MAX_DEPTH} deep")
        before = self.seen
        match self.text[at : at + 1]:
            case "{":
                value = self.object(at, depth + 1)
            case "[":
                value = self.array(at, depth + 1)
            case '"':
                data, end = self.string(at)
                value = Value(at, end, data)
            case _:
                plain = _PLAIN.match(self.text, at)
                if plain is None:
                    raise self.fail(at, "the text ends where a value should be" if at >= len(self.text) else "no value")
                value = Value(at, plain.end(), json.loads(plain[0]))
        value.commented = self.seen > before
        return value

    def string(self, at: int) -> tuple[str, int]:
        found = _STRING.match(self.text, at)
        if found is None:
            raise self.fail(at, "a string without an end, or with a control character in it")
        try:
            return str(json.loads(found[0])), found.end()
        except json.JSONDecodeError as error:
            raise self.fail(at + error.pos, error.msg) from None

    def object(self, at: int, depth: int) -> Value:
        members: list[Member] = []
        here = self.skip(at + 1)
        while self.text[here : here + 1] != "}":
            if self.text[here : here + 1] != '"':
                raise self.fail(here, 'expected a key in double quotes, or "}"')
            key, end = self.string(here)
            colon = self.skip(end)
            if self.text[colon : colon + 1] != ":":
                raise self.fail(colon, 'expected ":"')
            members.append(Member(key, here, end, self.value(self.skip(colon + 1), depth)))
            here = self.skip(members[-1].value.end)
            if self.text[here : here + 1] == ",":
                members[-1].comma = here
                here = self.after_comma(here, "}")
            elif self.text[here : here + 1] != "}":
                raise self.fail(here, 'expected "," or "}"')
        return Value(at, here + 1, {member.key: member.value.data for member in members}, members)

    def array(self, at: int, depth: int) -> Value:
        items: list[Any] = []
        here = self.skip(at + 1)
        while self.text[here : here + 1] != "]":
            item = self.value(here, depth)
            items.append(item.data)
            here = self.skip(item.end)
            if self.text[here : here + 1] == ",":
                here = self.after_comma(here, "]")
            elif self.text[here : here + 1] != "]":
                raise self.fail(here, 'expected "," or "]"')
        return Value(at, here + 1, items)

    def after_comma(self, at: int, closing: str) -> int:
        here = self.skip(at + 1)
        if self.text[here : here + 1] == closing and not self.lenient:
            raise self.fail(at, f'a comma before "{closing}"')
        return here
