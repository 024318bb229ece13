"""From what a policy grants to folders that a WASI guest is given whole.

The engine opens a folder for reading, or for reading and changing, with everything in it. Grants that need a finer line
than that are refused, never rounded up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from mcpkit.policy.decision import PolicyError
from mcpkit.policy.grants import Access, Grants, PathRule
from mcpkit.policy.links import CHANGING, may_be_moved, may_touch

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
            _check_place(rule.pattern, folder, grants.rules, whose)
            found[folder] = Preopen(Path(folder).resolve(), folder, bool(access & CHANGING))
    return tuple(found[folder] for folder in sorted(found))


def _check_place(pattern: str, folder: str, rules: Sequence[PathRule], whose: str) -> None:
    """Raises GrantError for folders that lead to more than they seem to."""
    real = str(Path(folder).resolve())
    for proc in _process_files():
        if _covers(f"{real.rstrip('/')}/**", proc) or _covers(f"{proc}/**", real):
            raise GrantError(
                f"{whose}: the policy allows {pattern}, and in {proc} this server's own memory and environment "
                "are files; allow the folders that are meant one by one"
            )
    if real == folder:
        return
    maker = may_be_moved(folder, rules)
    if maker is not None:
        raise GrantError(
            f"{whose}: {folder} leads through a link to {real}, and guests may change links there, because the policy "
            f"allows {maker.pattern}; write {real}/** instead of {pattern}"
        )


def _process_files() -> list[str]:
    """Where this system shows its processes as files."""
    try:
        lines = Path("/proc/self/mounts").read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return []
    places = [line.split()[1] for line in lines if line.split()[2:3] == ["proc"]]
    return [re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), place) for place in places]


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
        elif any(may_touch(rule.pattern, place) for place in places):
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
