"""What a policy says to one question."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

NOTHING, WILD_ALLOW, WILD_DENY, ALLOW, DENY = -1, 0, 1, 2, 3
"""How strong a rule is: none at all, one with a wildcard that allows, one that denies, then those without wildcards."""


class PolicyError(ValueError):
    """A policy that cannot be compiled or kept to; the message says where and what to do."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """Whether something is allowed, and by what. Made when the policy is compiled, so that asking makes nothing."""

    allowed: bool
    rule: str
    """``mcp.tools.deny: admin/*``; empty where no rule decided. It may be shown to clients."""
    place: str = ""
    """``config.yaml:12``."""
    why: str
    """A sentence for people."""
    strength: int = NOTHING
    order: int = 0
    """Of the rule in its list; of equally strong ones the first decides."""

    @property
    def decided(self) -> bool:
        """By a rule, not for want of one."""
        return self.strength != NOTHING


UNRESTRICTED = Decision(allowed=True, rule="", why="allowed: the policy has no rules about this")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of the file, ready to be compiled into a table."""

    pattern: str
    allow: bool
    decision: Decision
    rule: Any
    """As `mcpkit.config.policy` has it."""


def ruling(*, allow: bool, wild: bool, section: str, pattern: str, place: object, order: int) -> Decision:
    """The decision of one rule."""
    text = f"{section}.{'allow' if allow else 'deny'}: {pattern}"
    strength = (WILD_ALLOW if wild else ALLOW) if allow else WILD_DENY if wild else DENY
    why = f"{'allowed' if allow else 'denied'} by the rule {text}"
    return Decision(allowed=allow, rule=text, place=str(place), why=why, strength=strength, order=order)


def stronger(one: Decision, other: Decision) -> Decision:
    """The one of two that holds."""
    if one.strength != other.strength:
        return one if one.strength > other.strength else other
    return one if one.order <= other.order else other


def strongest(decisions: Sequence[Decision], default: Decision) -> Decision:
    found = default
    for decision in decisions:
        found = stronger(found, decision) if found.decided else decision
    return found
