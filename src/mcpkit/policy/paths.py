"""Rules about paths of this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mcpkit.policy.decision import DENY, Decision, Entry, stronger
from mcpkit.policy.names import LONGEST_REMEMBERED, REMEMBERED, is_wild

LONGEST_PATH = 4096

NOT_A_PATH = Decision(
    allowed=False,
    rule="",
    why="denied: not an absolute path without . and .. between its slashes; ask for the one that is meant",
    strength=DENY,
)
_UNTIDY = re.compile(r"//|/\.{1,2}(?:/|\Z)|\0|(?<=[^/])/\Z")


def matcher(pattern: str, *, below: bool) -> re.Pattern[str]:
    """What fits is a tidy path (the root as the empty text) that `pattern` means; with `below` also what is below one.

    ``*`` and ``?`` stay in one name, ``**`` is any number of names. What was matched up to a ``**`` is never tried
    again, which takes time in proportion to the path and finds all the same.
    """
    names = pattern.strip("/").split("/") if pattern.strip("/") else []
    chunks: list[list[str]] = [[]]
    for name in names:
        if name == "**":
            chunks.append([])
        else:
            chunks[-1].append(name)
    first, *rest = ["".join(map(_name, chunk)) for chunk in chunks]
    expression = first
    for i, chunk in enumerate(rest):
        last = i == len(rest) - 1
        if last and not chunk:
            expression += "(?:/.*)?"
        elif chunk:
            steps = f"(?:/[^/]+)*?{chunk}"
            expression += steps if last and not below else f"(?>{steps})"
    return re.compile(expression + ("(?:/.*)?" if below else ""), re.DOTALL)


def _name(name: str) -> str:
    head, *rest = ["[^/]".join(map(re.escape, part.split("?"))) for part in name.split("*")]
    expression = "/(?=[^/])" + head
    if rest:
        *middle, tail = rest
        expression += "".join(f"(?>[^/]*?{part})" for part in middle if part)
        expression += "[^/]*" + tail
    return expression + r"(?=/|\Z)"


def base_of(pattern: str) -> str:
    """The folder below which everything lies that a pattern means: its names before the first with a wildcard."""
    kept: list[str] = []
    for name in pattern.strip("/").split("/"):
        if is_wild(name) or not name:
            break
        kept.append("/" + name)
    return "".join(kept)


_Wild = tuple[re.Pattern[str] | None, Decision]
"""What a path has to fit, beside being in the folder under which this is filed; None: nothing."""


class PathTable:
    """The rules of one kind of access, in the order that `mcpkit.policy.grants.PathRule` gives; a denial that names
    the very path comes before everything."""

    def __init__(self, entries: Sequence[Entry], default: Decision) -> None:
        self.entries = tuple(entries)
        self.default = default
        self._exact: dict[str, Decision] = {}
        self._below: dict[str, Decision] = {}
        """Denied folders: what is in them is denied as if by a wildcard."""
        self._deny: dict[str, list[_Wild]] = {}
        self._allow: dict[str, list[_Wild]] = {}
        for entry in entries:
            path = "" if entry.pattern == "/" else entry.pattern
            if is_wild(path):
                by_base = self._allow if entry.allow else self._deny
                base = base_of(path)
                fits = matcher(path, below=not entry.allow) if path != f"{base}/**" else None
                by_base.setdefault(base, []).append((fits, entry.decision))
                continue
            known = self._exact.get(path)
            self._exact[path] = stronger(known, entry.decision) if known else entry.decision
            if not entry.allow:
                self._below.setdefault(path, entry.decision)
        self._known: dict[str, Decision] = {}

    def decide(self, path: str) -> Decision:
        known = self._known.get(path)
        return known if known is not None else self._new(path)

    def _new(self, path: str) -> Decision:
        # The quick look finds most tidy paths; a name that begins with a dot needs the other one.
        suspect = "/." in path or "//" in path or "\0" in path or path[-1:] == "/"
        if path[:1] != "/" or len(path) > LONGEST_PATH or (suspect and _UNTIDY.search(path)):
            return NOT_A_PATH
        tidy = "" if path == "/" else path
        decision = self._exact.get(tidy) or self._wild(tidy)
        if len(path) <= LONGEST_REMEMBERED:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[path] = decision
        return decision

    def _wild(self, path: str) -> Decision:
        above = [path]
        at = len(path)
        while at > 0:
            at = path.rfind("/", 0, at)
            above.append(path[:at])
        denied = [found for folder in above if (found := self._below.get(folder)) is not None]
        return _fitting(self._deny, above, path, denied) or _fitting(self._allow, above, path, []) or self.default

    def alone(self) -> Iterator[tuple[Entry, PathTable]]:
        for entry in self.entries:
            yield entry, PathTable([entry], self.default)


def _fitting(by_base: dict[str, list[_Wild]], above: list[str], path: str, found: list[Decision]) -> Decision | None:
    """Of the rules that mean the path the first in the file."""
    for folder in above:
        for pattern, decision in by_base.get(folder, ()):
            if pattern is None or pattern.fullmatch(path) is not None:
                found.append(decision)
                break
    return min(found, key=lambda decision: decision.order, default=None)
