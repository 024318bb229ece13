"""From what a policy grants to folders that a WASI guest is given whole.

The engine opens a folder for reading, or for reading and changing, with everything in it. Grants that need a finer line
than that are refused, never rounded up.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from mcpkit.policy.decision import PolicyError
from mcpkit.policy.grants import Access, Grants, PathRule

CHANGING: frozenset[Access] = frozenset({"write", "create", "delete"})
_WILD = "*?["


class GrantError(PolicyError):
    """A grant that the sandbox cannot keep to; the message says which, and what to write instead."""


class Preopen(NamedTuple):
    """A folder of the host, its path for the guest, and whether the guest may change what is in it."""

    host: Path
    guest: str
    writable: bool


def preopens(grants: Grants, whose: str) -> tuple[Preopen, ...]:
    """The folders that `whose` guests are given. Raises GrantError."""
    found: dict[str, Preopen] = {}
    for rule in grants.rules:
        if not rule.allow:
            continue
        folder = _whole(rule.pattern)
        if folder is None:
            raise GrantError(
                f"{whose}: the policy allows {rule.pattern}, and guests can be given whole folders only; "
                f"write it as FOLDER/**"
            )
        if folder in found or not Path(folder).is_dir():
            continue
        access = _access(folder, grants.rules, whose)
        if access:
            found[folder] = Preopen(Path(folder).resolve(), folder, bool(access & CHANGING))
    return tuple(found[folder] for folder in sorted(found))


def _access(folder: str, rules: Iterable[PathRule], whose: str) -> set[Access]:
    access: set[Access] = set()
    for rule in rules:
        if rule.allow and _covers(rule.pattern, folder):
            access |= rule.access
    places = {folder, str(Path(folder).resolve())}
    for rule in rules:
        if rule.allow or not rule.access & access:
            continue
        if any(_covers(rule.pattern, place) for place in places):
            access -= rule.access
        elif any(_may_touch(rule.pattern, place) for place in places):
            raise GrantError(
                f"{whose}: the policy denies {rule.pattern} inside {folder}, and a folder can only be given whole; "
                "allow the folders beside it one by one, or move what is denied elsewhere"
            )
    changing = access & CHANGING
    if changing and (changing != CHANGING or "read" not in access):
        raise GrantError(
            f"{whose}: the policy allows {', '.join(sorted(access))} in {folder}; a folder can be given for read, "
            "or for read, write, create and delete together"
        )
    return access


def _whole(pattern: str) -> str | None:
    """The folder of ``FOLDER/**``; None for other patterns."""
    folder = pattern.removesuffix("/**")
    return None if folder == pattern or any(c in folder for c in _WILD) else folder or "/"


def _covers(pattern: str, folder: str) -> bool:
    """Whether a pattern means everything in a folder."""
    outer = _whole(pattern)
    return outer is not None and (outer == folder or folder.startswith(outer.rstrip("/") + "/"))


def _may_touch(pattern: str, folder: str) -> bool:
    """Whether a pattern could mean the folder or something in it; errs towards yes."""
    literal = pattern[: min((pattern.find(c) for c in _WILD if c in pattern), default=len(pattern))]
    inside = folder.rstrip("/") + "/"
    return folder.startswith(literal) or literal.startswith(inside) or inside.startswith(literal.rstrip("/") + "/")
