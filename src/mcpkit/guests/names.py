"""Names of tools: what is valid, what a WIT name becomes, and how two tools of one name are told apart."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

import msgspec

from mcpkit.guests.errors import DuplicateToolError

LONGEST = 64
VALID = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")


def is_valid(name: str) -> bool:
    """Whether every client takes this as a tool's name."""
    return VALID.match(name) is not None


def underscored(text: str) -> str:
    """Every run of other characters than ASCII letters and digits as one underscore: ``add-one`` is ``add_one``."""
    return re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")


def shortened(name: str) -> str:
    """A valid name: the end of one that is too long, which tells more than its beginning."""
    return name if len(name) <= LONGEST else name[-LONGEST:].lstrip("_.-")


def long_name(interface: str | None, function: str) -> str:
    """Package, interface and function joined with ``_``, the version left out.

    ``add-one`` of ``example:math/calculator@1.0.0`` is ``example_math_calculator_add_one``.
    """
    path = "" if interface is None else interface.partition("@")[0]
    return shortened(underscored(f"{path}_{function}")) or "tool"


def short_name(interface: str | None, function: str) -> str:
    """The function alone, as its WIT writes it; resource functions such as ``[static]a.b`` get the long name."""
    return function if is_valid(function) else long_name(interface, function)


def prefixed(module: str, name: str) -> str:
    return shortened(f"{underscored(module)}_{name}")


def suggestion(name: str, known: Iterable[str]) -> str:
    """``; did you mean "add"?``, or what there is."""
    names = sorted(known)
    close = get_close_matches(name, names, 1)
    if close:
        return f'; did you mean "{close[0]}"?'
    return f"; there are: {', '.join(names[:12])}{', …' if len(names) > 12 else ''}" if names else "; there are none"


class Claim(msgspec.Struct):
    """A tool and the names it would go by, the best first."""

    owner: str
    """For messages: ``module/tool``."""
    candidates: Sequence[str]
    level: int = 0

    @property
    def name(self) -> str:
        return self.candidates[self.level]


def settle(claims: Sequence[Claim]) -> list[str]:
    """One name for each claim, in the same order; independent of that order.

    Where several claim one name, all that have another candidate take it; those that have none keep theirs.
    Raises DuplicateToolError when two cannot be told apart.
    """
    while True:
        groups: defaultdict[str, list[Claim]] = defaultdict(list)
        for claim in claims:
            groups[claim.name].append(claim)
        clashes = [group for group in groups.values() if len(group) > 1]
        if not clashes:
            return [claim.name for claim in claims]
        movable = [claim for group in clashes for claim in group if claim.level + 1 < len(claim.candidates)]
        if not movable:
            owners = sorted(claim.owner for claim in clashes[0])
            raise DuplicateToolError(
                f"two tools are named {clashes[0][0].name!r}: {owners[0]} and {owners[1]}; "
                "give one of the modules another name, or one of the tools in mcp.tools"
            )
        for claim in movable:
            claim.level += 1
