"""Changes of one entry in a JSON text that leave every other byte of it alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from mcpkit.cli.install.errors import SyntaxFaultError
from mcpkit.cli.install.jsonc import Member, Value, parse, place

TRANSPORT = frozenset({"type", "command", "args", "url", "httpUrl", "serverUrl"})
"""Members of an entry that say how its server is reached: those that a new entry lacks go away."""


class Editor:
    """One text. Its methods change `text`; the other places of it stay byte for byte as they were."""

    def __init__(self, text: str, comments: bool) -> None:
        """Raises SyntaxFaultError where the text is not an object in JSON, `comments` admitting those."""
        self.text = text if text.strip() else "{}\n"
        self._comments = comments
        root = self.root
        if root.members is None:
            raise self._fault(root.start, "the file must hold one JSON object")
        self._newline = "\r\n" if "\r\n" in self.text else "\n"
        self._unit = _unit(self.text, root)
        self._dense = "\n" not in self.text.strip() and bool(root.members)

    @property
    def root(self) -> Value:
        """The text's value as it is now."""
        return parse(self.text, self._comments)

    def entry(self, key: str, name: str) -> Any:
        """What stands under root[key][name]; None where there is nothing."""
        found = self._find([key, name])
        return found.value.data if found is not None else None

    def names(self, key: str) -> list[str]:
        """The names under root[key]."""
        found = self._find([key])
        return list(found.value.data) if found is not None and isinstance(found.value.data, dict) else []

    def put(self, key: str, name: str, entry: Mapping[str, Any]) -> None:
        """Make root[key][name] say `entry`. Members that `entry` does not name stay, unless they are TRANSPORT."""
        container = self._find([key])
        if container is None:
            self._insert([], key, {name: dict(entry)})
            return
        if container.value.members is None:
            raise self._fault(container.value.start, f'"{key}" must be an object')
        old = self._find([key, name])
        if old is None:
            self._insert([key], name, dict(entry))
            return
        if old.value.members is None:
            self._replace(old.value, dict(entry), [key, name])
            return
        for stale in [member.key for member in old.value.members if member.key in TRANSPORT - entry.keys()]:
            self._delete([key, name, stale])
        self._merge([key, name], entry)

    def drop(self, key: str, name: str) -> None:
        """Remove root[key][name], which must be there."""
        self._delete([key, name])

    def _fault(self, at: int, message: str) -> SyntaxFaultError:
        return SyntaxFaultError(*place(self.text, at), message)

    def _find(self, path: list[str]) -> Member | None:
        """The member at a path; a fault where a key on the way stands twice, so that it is unclear which one counts."""
        value = self.root
        member: Member | None = None
        for key in path:
            twice = [found for found in value.members or [] if found.key == key]
            if len(twice) > 1:
                raise self._fault(twice[1].start, f'"{key}" stands twice in one object; remove one')
            if not twice:
                return None
            member = twice[0]
            value = member.value
        return member

    def _object(self, path: list[str]) -> Value:
        member = self._find(path) if path else None
        return member.value if member is not None else self.root

    def _merge(self, path: list[str], wanted: Mapping[str, Any]) -> None:
        for key, value in wanted.items():
            old = self._find([*path, key])
            if old is None:
                self._insert(path, key, value)
            elif old.value.data == value:
                continue
            elif isinstance(value, dict) and old.value.members is not None:
                self._merge([*path, key], value)
            else:
                self._replace(old.value, value, [*path, key])

    def _replace(self, old: Value, value: Any, path: list[str]) -> None:
        self._keep_comments(old, path)
        written = self._render(value, _indentation(self.text, old.start))
        self.text = self.text[: old.start] + written + self.text[old.end :]

    def _keep_comments(self, old: Value, path: list[str]) -> None:
        if old.commented:
            self._refuse_to_lose(old.start, path)

    def _refuse_to_lose(self, at: int, path: list[str]) -> NoReturn:
        where = ".".join(path)
        raise self._fault(at, f"a comment inside {where} would be lost; move it, or change {where} by hand")

    def _insert(self, path: list[str], key: str, value: Any) -> None:
        holder = self._object(path)
        members = holder.members
        assert members is not None
        self.text = self._after(holder, members, key, value) if members else self._into_empty(holder, key, value)

    def _after(self, holder: Value, members: list[Member], key: str, value: Any) -> str:
        """The text with a member after the last one, laid out as that one is."""
        last, text = members[-1], self.text
        comma = "" if last.comma is not None else ","
        trailing = "," if last.comma is not None else ""
        head, rest = text[: last.value.end], text[last.value.end : holder.end - 1]
        body = rest.rstrip()  # a trailing comma, comments
        space = rest[len(body) :]
        if "\n" not in text[holder.start : holder.end]:
            gap = "" if self._dense else " "
            return f"{head}{comma}{body}{gap}{self._member(key, value)}{trailing}{space}{text[holder.end - 1 :]}"
        indent = _indentation(text, last.start)
        written = self._member(key, value, indent)
        if "\n" not in space:
            space = self._newline + _indentation(text, holder.start)
        return f"{head}{comma}{body}{self._newline}{indent}{written}{trailing}{space}{text[holder.end - 1 :]}"

    def _into_empty(self, holder: Value, key: str, value: Any) -> str:
        """The text with a member in an object that has none; comments in it stay before the member."""
        text, outer = self.text, _indentation(self.text, holder.start)
        inner = text[holder.start + 1 : holder.end - 1].rstrip()
        if self._dense:
            return f"{text[: holder.start + 1]}{inner}{self._member(key, value)}{text[holder.end - 1 :]}"
        indent = outer + self._unit
        written = f"{self._newline}{indent}{self._member(key, value, indent)}{self._newline}{outer}"
        return f"{text[: holder.start + 1]}{inner}{written}{text[holder.end - 1 :]}"

    def _delete(self, path: list[str]) -> None:
        holder = self._object(path[:-1])
        member = self._find(path)
        assert holder.members is not None
        assert member is not None
        self._keep_comments(member.value, path)
        text, at = self.text, holder.members.index(member)
        start, end = member.start, (member.value.end if member.comma is None else member.comma + 1)
        if "/" in text[member.key_end : member.value.start] + text[member.value.end : end]:
            self._refuse_to_lose(member.start, path)
        before = holder.members[at - 1].comma if at else None
        line = text[:start].rpartition("\n")
        left, right = text[:start], text[end:]
        if not line[2].strip(" \t") and re.match(r"[ \t]*\r?\n", right):  # whole lines of its own: they go
            right = re.sub(r"^[ \t]*\r?\n", "", right)
            left = line[0] + line[1]
        else:
            right = right.lstrip(" \t") if member.comma is not None else right
            left = left.rstrip(" \t") if member.comma is None and before is not None else left
        if member.comma is None and before is not None:
            left = left[:before] + left[before + 1 :]
        if len(holder.members) == 1 and not (left[holder.start + 1 :] + right[: right.index("}")]).strip():
            left, right = left[: holder.start + 1], right[right.index("}") :]
        self.text = left + right

    def _member(self, key: str, value: Any, indent: str | None = None) -> str:
        gap = "" if self._dense else " "
        return f"{json.dumps(key, ensure_ascii=False)}:{gap}{self._render(value, indent)}"

    def _render(self, value: Any, indent: str | None = None) -> str:
        """JSON text of a value; on one line where `indent` is None."""
        if self._dense or indent is None:
            separators = (",", ":") if self._dense else (", ", ": ")
            return json.dumps(value, ensure_ascii=False, separators=separators)
        return json.dumps(value, ensure_ascii=False, indent=self._unit).replace("\n", self._newline + indent)


def _indentation(text: str, at: int) -> str:
    """The white space that begins the line of an offset."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _unit(text: str, root: Value) -> str:
    """What the text indents its first level by; two spaces where it does not."""
    if root.members:
        line = text[text.rfind("\n", 0, root.members[0].start) + 1 : root.members[0].start]
        if line and not line.strip(" \t"):
            return line
    return "  "
