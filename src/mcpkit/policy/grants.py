"""What a policy grants one guest of this machine: the contract between rules and the sandbox."""

from __future__ import annotations

from collections.abc import Set
from pathlib import Path
from typing import Literal

import msgspec

Access = Literal["read", "write", "create", "delete"]


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that a guest sees. What it may do with a path in it, the rules say."""

    host: Path
    """Absolute."""
    guest: str
    """The absolute path under which the guest sees it."""


class PathRule(msgspec.Struct, frozen=True, kw_only=True):
    """Allows or denies paths of the host that a pattern means.

    The pattern is absolute; ``*`` and ``?`` stand for characters of one name, ``**`` for any number of whole names.
    Of the rules that mean a path and an access, in this order: one that allows and has no wildcard, any that denies,
    any that allows. Where none means it, it is denied. What is below a denied folder is denied too, unless a rule of
    the first kind names it.
    """

    pattern: str
    access: Set[Access]
    allow: bool


class Grants(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing, unless it is said."""

    folders: tuple[Folder, ...] = ()
    rules: tuple[PathRule, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    """Name and value of the variables that a guest sees."""
