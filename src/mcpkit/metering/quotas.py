"""Which accounts a call counts in, and what may be used of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, Literal, Protocol

import msgspec

from mcpkit.core.meter import Claim, count_call
from mcpkit.metering.ledger import Ledger, LedgerFullError

ENDLESS = 2**47
Scope = Literal["server", "tool", "caller"]
ANYBODY = "anonymous"
"""The caller that everybody is who is nobody in particular: over stdio, or where callers are not told apart."""


class Allowance(Protocol):
    """Compute units of a window; None: no limit."""

    @property
    def per_minute(self) -> int | None: ...
    @property
    def per_hour(self) -> int | None: ...
    @property
    def per_day(self) -> int | None: ...


class NamedAllowance(Allowance, Protocol):
    """Of whatever a glob means."""

    @property
    def name(self) -> str: ...


class Wanted(Allowance, Protocol):
    """``runtime.wasm.metering.quotas``; its own members are the server's."""

    @property
    def per_tool(self) -> Allowance | None: ...
    @property
    def per_caller(self) -> Allowance | None: ...
    @property
    def tools(self) -> Sequence[NamedAllowance]: ...
    @property
    def callers(self) -> Sequence[NamedAllowance]: ...


class UsedUp(msgspec.Struct, frozen=True):
    """A quota that has nothing left, in the words of a result's ``io.mcpkit/error``."""

    kind: Literal["quota", "rate"]
    quota: str
    scope: Scope
    limit: int
    used: int
    resets_at: str = msgspec.field(name="resetsAt")
    retry_after_ms: int = msgspec.field(name="retryAfterMs")

    @property
    def message(self) -> str:
        whose = {"server": "the server's", "tool": "this tool's", "caller": "this caller's"}[self.scope]
        what = "calls" if self.kind == "rate" else "compute units"
        return (
            f"{whose} quota of {self.limit} {what} {self.quota.replace('_', ' ')} is used up ({self.used} used); "
            f"it begins anew at {self.resets_at}, in {self.retry_after_ms // 1000} s"
        )


class Spending:
    """Units that were set aside for one call, and what it used of them."""

    def __init__(self, granted: int) -> None:
        self.granted = granted
        self.used = 0


class Line(msgspec.Struct, frozen=True):
    """One quota as it stands."""

    scope: Scope
    name: str
    kind: Literal["compute units", "calls"]
    window: str
    used: int
    limit: int
    resets_at: str


class Quotas:
    """The quotas of one server over one ledger."""

    def __init__(
        self,
        ledger: Ledger,
        server: str,
        wanted: Wanted,
        *,
        requests_per_minute: int = 0,
        rates: Mapping[str, tuple[int, int]] | None = None,
    ) -> None:
        """`rates`: calls per minute and per hour of tools, by ``module/tool``; 0: no limit."""
        self.ledger = ledger
        self._server_name = server
        self._wanted = wanted
        self._rates = rates if rates is not None else {}
        self._claims: dict[tuple[Scope, str], Claim] = {}
        self.server = self._claim("server", "", _units(wanted), (requests_per_minute, 0, 0))

    @property
    def tells_callers_apart(self) -> bool:
        return bool(self._wanted.per_caller or self._wanted.callers)

    def tool(self, qualified: str) -> Claim | None:
        """The account of a tool, by ``module/tool``; None where nothing limits it."""
        allowance = _first(self._wanted.tools, qualified, qualified.rpartition("/")[2]) or self._wanted.per_tool
        per_minute, per_hour = self._rates.get(qualified, (0, 0))
        return self._claim("tool", qualified, _units(allowance), (per_minute, per_hour, 0))

    def caller(self, name: str) -> Claim | None:
        """The account of a caller, by the principal's id; None where nothing limits it."""
        allowance = _first(self._wanted.callers, name, name) or self._wanted.per_caller
        return self._claim("caller", name, _units(allowance), (0, 0, 0))

    def enter(self, qualified: str, caller: str) -> UsedUp | None:
        """Count a call of a tool whose units nobody counts. Not None: it is one too many, and counts nowhere."""
        wanted: list[tuple[Scope, Claim | None]] = [("server", self.server), ("tool", self.tool(qualified))]
        if self.tells_callers_apart:
            wanted.append(("caller", self.caller(caller)))
        claims = [(scope, claim) for scope, claim in wanted if claim is not None]
        now = self.ledger.now()
        refused = count_call([claim for _, claim in claims], now)
        if refused is None:
            return None
        index, window, limit, used, resets = refused
        return UsedUp("rate", window, claims[index][0], limit, used, _utc(resets), max(resets - now, 1) * 1000)

    @contextmanager
    def spending(self, qualified: str, caller: str, wanted: int) -> Iterator[Spending]:
        """Set aside up to `wanted` units (0: without end) for a call that Python counts; the rest goes back."""
        asked: list[Claim | None] = [self.server, self.tool(qualified)]
        if self.tells_callers_apart:
            asked.append(self.caller(caller))
        claims = [claim for claim in asked if claim is not None]
        now, granted = self.ledger.now(), wanted or ENDLESS
        taken: list[tuple[Claim, int]] = []
        for claim in claims:
            granted = claim.reserve(granted, now)
            taken.append((claim, granted))
        for claim, units in taken:
            claim.refund(units - granted, now)
        spending = Spending(granted)
        try:
            yield spending
        finally:
            for claim in claims:
                claim.refund(granted - min(spending.used, granted), now)

    def lines(self) -> Iterable[Line]:
        """Every quota that was asked for so far, by whatever process, with its use."""
        now = self.ledger.now()
        for known in self.ledger.names():
            server, _, rest = known.partition("\0")
            scope, _, name = rest.partition("\0")
            if server == self._server_name and name:
                _ = self.tool(name) if scope == "tool" else self.caller(name)
        for (scope, name), claim in self._claims.items():
            used = claim.accounts.used(claim.index, now)
            units, calls = claim.limits
            for i, limit in enumerate((*units, *calls)):
                if limit:
                    seconds = (60, 3600, 86400)[i % 3]
                    yield Line(
                        scope=scope,
                        name=name or self._server_name,
                        kind="compute units" if i < 3 else "calls",
                        window=("minute", "hour", "day")[i % 3],
                        used=used[i],
                        limit=limit,
                        resets_at=_utc((now // seconds + 1) * seconds),
                    )

    def _claim(self, scope: Scope, name: str, units: Sequence[int], calls: Sequence[int]) -> Claim | None:
        if not any(units) and not any(calls):
            return None
        known = self._claims.get((scope, name))
        if known is None:
            try:
                index = self.ledger.account(f"{self._server_name}\0{scope}\0{name}")
            except LedgerFullError:
                # A flood of callers must not make room for itself: whoever comes too late shares one account.
                index = self.ledger.account(f"{self._server_name}\0{scope}\0")
            known = self._claims[scope, name] = Claim(self.ledger.accounts, index, units, calls)
        return known


def _units(allowance: Allowance | None) -> tuple[int, int, int]:
    if allowance is None:
        return (0, 0, 0)
    return (allowance.per_minute or 0, allowance.per_hour or 0, allowance.per_day or 0)


def _first(entries: Iterable[NamedAllowance], qualified: str, name: str) -> NamedAllowance | None:
    """The first entry that means this: with a slash the qualified name, without one the name alone."""
    for entry in entries:
        if fnmatchcase(qualified if "/" in entry.name else name, entry.name):
            return entry
    return None


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def error_result(used_up: UsedUp) -> dict[str, Any]:
    """A CallToolResult that says so, as the core makes it for guests."""
    return {
        "content": [{"type": "text", "text": used_up.message}],
        "isError": True,
        "_meta": {"io.mcpkit/error": msgspec.to_builtins(used_up)},
    }
