"""Callers, and the numbers by which the core knows them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import msgspec

GRANT_BITS = 8
"""Low bits of a number: which of its owner's grants. The bits above say who, and stay the same from token to token."""
MAX_GRANTS = 1 << GRANT_BITS
MAX_OWNERS = 65_536
OWNERS = (1 << (32 - GRANT_BITS)) - 1

MARGIN_SECONDS = 60.0
"""How much longer than asked for a number keeps its meaning: requests outlive the moment they were let in."""

_VOLATILE = frozenset({"exp", "iat", "nbf", "jti", "auth_time", "sid"})
"""Claims that differ from token to token of one caller without meaning anything for what the caller may do."""


class Principal(msgspec.Struct, frozen=True):
    """A caller that has been authenticated."""

    id: str
    """Who: ``oauth:ISSUER#SUBJECT``, ``key:NAME``, ``cert:IDENTITY``. The same in every process."""
    scopes: frozenset[str] = frozenset()
    """What this credential is good for, everything included that the hierarchy adds."""
    claims: dict[str, Any] = {}
    """What the token, or the server that was asked about it, said."""


class _Owner:
    __slots__ = ("grants", "id", "number")

    def __init__(self, id: str, number: int) -> None:
        self.id = id
        self.number = number
        self.grants: dict[int, _Grant] = {}


class _Grant:
    __slots__ = ("key", "principal", "until")

    def __init__(self, key: bytes, principal: Principal) -> None:
        self.key = key
        self.principal = principal
        self.until = 0.0


class PrincipalTable:
    """Principals by number, bounded. A number is not given to anybody else while the core may still remember it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, max_owners: int = MAX_OWNERS) -> None:
        self._clock = clock
        self._max_owners = max_owners
        self._by_id: dict[str, _Owner] = {}
        self._by_number: dict[int, _Owner] = {}
        self._last = 0

    def __len__(self) -> int:
        """How many callers are known."""
        return len(self._by_id)

    def number(self, principal: Principal, seconds: float) -> int | None:
        """A number that means this principal for `seconds` at least; None when the table is full of callers in use.

        Tokens of one caller with different scopes or claims have different numbers.
        """
        now = self._clock()
        owner = self._by_id.pop(principal.id, None) or self._new_owner(principal.id, now)
        if owner is None:
            return None
        self._by_id[principal.id] = owner  # used last: at the end
        grant_number = _grant_of(owner, principal, now)
        if grant_number is None:
            return None
        grant = owner.grants[grant_number]
        grant.until = max(grant.until, now + seconds + MARGIN_SECONDS)
        return owner.number << GRANT_BITS | grant_number

    def principal(self, number: int) -> Principal | None:
        """Who a number stands for; None: nobody, or not any more."""
        owner = self._by_number.get(number >> GRANT_BITS)
        grant = owner.grants.get(number & (MAX_GRANTS - 1)) if owner is not None else None
        return grant.principal if grant is not None else None

    def _new_owner(self, id: str, now: float) -> _Owner | None:
        if len(self._by_id) >= self._max_owners and not self._forget_one(now):
            return None
        number = self._last % OWNERS + 1
        while number in self._by_number:
            number = number % OWNERS + 1
        self._last = number
        owner = self._by_number[number] = _Owner(id, number)
        return owner

    def _forget_one(self, now: float) -> bool:
        for owner in self._by_id.values():  # the one used longest ago comes first
            if all(grant.until < now for grant in owner.grants.values()):
                del self._by_id[owner.id], self._by_number[owner.number]
                return True
        return False


def _grant_of(owner: _Owner, principal: Principal, now: float) -> int | None:
    stable = {name: value for name, value in principal.claims.items() if name not in _VOLATILE}
    key = msgspec.json.encode([sorted(principal.scopes), stable], order="deterministic")
    for number, grant in owner.grants.items():
        if grant.key == key:
            grant.principal = principal
            return number
    if len(owner.grants) < MAX_GRANTS:
        number = next(n for n in range(MAX_GRANTS) if n not in owner.grants)
    else:
        number = min(owner.grants, key=lambda n: owner.grants[n].until)
        if owner.grants[number].until >= now:
            return None
    owner.grants[number] = _Grant(key, principal)
    return number
