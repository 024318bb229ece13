"""Rules that are written through links. The sandbox knows what is there by its real name only."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence

import msgspec

from mcpkit.policy.grants import Access, PathRule
from mcpkit.policy.names import is_wild
from mcpkit.policy.paths import base_of

CHANGING: frozenset[Access] = frozenset({"write", "create", "delete"})
_WILD = "*?["

log = logging.getLogger("mcpkit.policy")


def real_rules(rules: Sequence[PathRule]) -> tuple[PathRule, ...]:
    """The rules, and beside each whose pattern begins with a link the same about the place that it leads to now.

    An allowance is not followed through links that guests may put there themselves: they would allow themselves
    whatever they like.
    """
    out = []
    for rule in rules:
        out.append(rule)
        base = base_of(rule.pattern) or "/"
        real = os.path.realpath(base)
        if real == base:
            continue
        why = _why_not(base, real, rules) if rule.allow else None
        if why is not None:
            log.warning("%s leads through a link to %s, which is not allowed by that: %s", rule.pattern, real, why)
            continue
        rest = rule.pattern.strip("/").split("/")[base.count("/") :]
        out.append(msgspec.structs.replace(rule, pattern="/".join([real.rstrip("/"), *rest])))
    return tuple(out)


def _why_not(base: str, real: str, rules: Sequence[PathRule]) -> str | None:
    if is_wild(real):
        return "this name has a wildcard in it"
    maker = may_be_moved(base, rules)
    return None if maker is None else f"guests may change links there, because of {maker.pattern}"


def may_be_moved(path: str, rules: Sequence[PathRule]) -> PathRule | None:
    """A rule under which guests could make a link of something on the way to a path; errs towards there being one."""
    for rule in rules:
        outer = base_of(rule.pattern)
        above = path != outer and path.startswith(outer + "/")
        if rule.allow and rule.access & CHANGING and above and may_touch(rule.pattern, path):
            return rule
    return None


def may_touch(pattern: str, folder: str) -> bool:
    """Whether a pattern could mean the folder or something in it; errs towards yes."""
    literal = pattern[: min((pattern.find(c) for c in _WILD if c in pattern), default=len(pattern))]
    inside = folder.rstrip("/") + "/"
    return folder.startswith(literal) or literal.startswith(inside) or inside.startswith(literal.rstrip("/") + "/")
