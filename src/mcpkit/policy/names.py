"""Rules about names: tools, prompts, URIs of resources, variables. Exact ones are one look-up, globs a few."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import unquote

import msgspec

from mcpkit.policy.decision import ALLOW, DENY, WILD_ALLOW, WILD_DENY, Decision, Entry, stronger

_WILDCARD = re.compile(r"[*?]")
_LONGEST_CUT = 64
REMEMBERED = 4096
"""Answers that a table keeps; then it forgets them all. What is longer than `LONGEST_REMEMBERED` it never keeps."""
LONGEST_REMEMBERED = 256


def is_wild(pattern: str) -> bool:
    return _WILDCARD.search(pattern) is not None


def glob(pattern: str) -> Callable[[str], bool]:
    """Whether a whole text is what `pattern` means: ``*`` any text, ``?`` one character.

    Takes time in proportion to the text, whatever the pattern: what was matched up to a ``*`` is never tried again.
    """
    head, *rest = pattern.split("*")
    if rest == [""] and "?" not in head:
        return lambda text: text.startswith(head)
    if not rest and "?" not in head:
        return head.__eq__
    expression = _literal(head)
    if rest:
        *middle, tail = rest
        expression += "".join(f"(?>.*?{_literal(part)})" for part in middle if part)
        expression += ".*" + _literal(tail)
    fits = re.compile(expression, re.DOTALL).fullmatch
    return lambda text: fits(text) is not None


def _literal(part: str) -> str:
    return ".".join(map(re.escape, part.split("?")))


class _Glob(msgspec.Struct, frozen=True):
    decision: Decision
    fits: Callable[[str], bool]


class Globs:
    """Many globs at once: each is filed under the beginning or the end that it has no wildcard in."""

    def __init__(self, entries: Sequence[tuple[str, Decision]]) -> None:
        self._anywhere: list[_Glob] = []
        heads: dict[int, dict[str, list[_Glob]]] = {}
        tails: dict[int, dict[str, list[_Glob]]] = {}
        for pattern, decision in entries:
            one = _Glob(decision, glob(pattern))
            first, *others = _WILDCARD.split(pattern)
            head, tail = _cut(first), _cut(others[-1])
            if not head and not tail:
                self._anywhere.append(one)
            elif head >= tail:
                heads.setdefault(head, {}).setdefault(first[:head], []).append(one)
            else:
                tails.setdefault(tail, {}).setdefault(others[-1][-tail:], []).append(one)
        self._heads = list(heads.items())
        self._tails = [(-length, index) for length, index in tails.items()]

    def find(self, text: str) -> Decision | None:
        """Of those that mean `text` the first in the file."""
        found: Decision | None = None
        for end, index in self._heads:
            bucket = index.get(text[:end])
            if bucket is not None:
                found = _first(bucket, text, found)
        for start, index in self._tails:
            bucket = index.get(text[start:])
            if bucket is not None:
                found = _first(bucket, text, found)
        return _first(self._anywhere, text, found) if self._anywhere else found


def _cut(literal: str) -> int:
    return min(len(literal), _LONGEST_CUT)


def _first(bucket: list[_Glob], text: str, found: Decision | None) -> Decision | None:
    for one in bucket:
        if found is not None and one.decision.order > found.order:
            break
        if one.fits(text):
            return one.decision
    return found


class NameTable:
    """Of the rules that mean a name: one that denies and has no wildcard, then one that allows and has none, then one
    that denies, then one that allows. Upper and lower case are told apart."""

    def __init__(self, entries: Sequence[Entry], default: Decision) -> None:
        self.entries = tuple(entries)
        self.default = default
        self._exact: dict[str, Decision] = {}
        wild: dict[int, list[tuple[str, Decision]]] = {WILD_DENY: [], WILD_ALLOW: []}
        for entry in entries:
            if entry.decision.strength in (ALLOW, DENY):
                known = self._exact.get(entry.pattern)
                self._exact[entry.pattern] = stronger(known, entry.decision) if known else entry.decision
            else:
                wild[entry.decision.strength].append((entry.pattern, entry.decision))
        self._deny, self._allow = Globs(wild[WILD_DENY]), Globs(wild[WILD_ALLOW])
        self._known: dict[str, Decision] = {}

    def decide(self, name: str) -> Decision:
        known = self._known.get(name)
        return known if known is not None else self._new(name)

    def _new(self, name: str) -> Decision:
        decision = self._exact.get(name) or self._deny.find(name) or self._allow.find(name) or self.default
        if len(name) <= LONGEST_REMEMBERED:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[name] = decision
        return decision

    def alone(self) -> Iterator[tuple[Entry, NameTable]]:
        """Each rule, and a table of nothing else."""
        for entry in self.entries:
            yield entry, NameTable([entry], self.default)


class ToolTable:
    """Rules about tools: with a slash about ``module/tool``, without one about the name that clients use. A denial
    without a slash also means the name that the module itself uses, so that no clash of names gets round it."""

    def __init__(self, entries: Sequence[Entry], default: Decision) -> None:
        self.entries = tuple(entries)
        self.default = default
        self._qualified = NameTable([entry for entry in entries if "/" in entry.pattern], default)
        self._names = NameTable([entry for entry in entries if "/" not in entry.pattern], default)
        self._denied = NameTable([one for one in entries if "/" not in one.pattern and not one.allow], default)
        self._known: dict[tuple[str, str], Decision] = {}

    def decide(self, name: str, qualified: str = "") -> Decision:
        key = (name, qualified)
        known = self._known.get(key)
        return known if known is not None else self._new(key)

    def _new(self, key: tuple[str, str]) -> Decision:
        name, qualified = key
        decision = self._names.decide(name)
        if qualified:
            decision = _joined(decision, self._qualified.decide(qualified))
            decision = _joined(decision, self._denied.decide(qualified.rpartition("/")[2]))
        if len(name) + len(qualified) <= LONGEST_REMEMBERED:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[key] = decision
        return decision

    def alone(self) -> Iterator[tuple[Entry, ToolTable]]:
        for entry in self.entries:
            yield entry, ToolTable([entry], self.default)


def _joined(one: Decision, other: Decision) -> Decision:
    if one is other or not other.decided:
        return one
    return stronger(one, other) if one.decided else other


DOTS = Decision(
    allowed=False,
    rule="",
    why="denied: the URI has . or .. between slashes; ask for the one that is meant",
    strength=DENY,
)
ESCAPED_TWICE = Decision(
    allowed=False, rule="", why="denied: the URI has an escaped percent sign; write it without", strength=DENY
)
_DOTTED = re.compile(r"[/\\]\.\.?(?:[/\\?#]|\Z)")


class UriTable:
    """Rules about resources. A URI is held against them as it is and with its escapes read: both must be allowed."""

    def __init__(self, entries: Sequence[Entry], default: Decision) -> None:
        self.entries = tuple(entries)
        self.default = default
        self._table = NameTable(entries, default)

    def decide(self, uri: str) -> Decision:
        decision = self._table.decide(uri)
        if "%" not in uri and "/." not in uri and "\\." not in uri:
            return decision
        read = unquote(uri)
        if _DOTTED.search(read):
            return DOTS
        if "%" in read and unquote(read) != read:
            return ESCAPED_TWICE
        other = self._table.decide(read)
        return decision if decision.allowed is other.allowed or not decision.allowed else other

    def alone(self) -> Iterator[tuple[Entry, UriTable]]:
        for entry in self.entries:
            yield entry, UriTable([entry], self.default)
