"""One evaluator for everything that a policy has rules about, compiled once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from mcpkit.config.policy import ACCESSES, OPERATIONS, HttpRule, NetworkRule, Operation, Policy, parameters_schema
from mcpkit.config.policy import Access as AnyAccess
from mcpkit.policy.decision import UNRESTRICTED, WILD_ALLOW, Decision, Entry, PolicyError, ruling
from mcpkit.policy.names import REMEMBERED, NameTable, ToolTable, UriTable, is_wild
from mcpkit.policy.network import NetworkTable
from mcpkit.policy.paths import PathTable
from mcpkit.schema import Checker, SchemaError, SchemaMismatch
from mcpkit.schema import compile as compile_schema

WILDCARDS = frozenset("*?")


class Rate(msgspec.Struct, frozen=True):
    """Calls that a tool may take; None: any number."""

    per_minute: int | None
    per_hour: int | None


class Condition(msgspec.Struct, frozen=True):
    """What a rule asks of the arguments."""

    rule: Decision
    checker: Checker


class _Demands(msgspec.Struct, frozen=True):
    """What the rules that allow a tool ask of its calls."""

    conditions: tuple[Condition, ...]
    rate: Rate | None


class Evaluator:
    """Answers every question about one policy. Safe to use from several threads at once.

    Raises PolicyError for what is found out only here: a schema that cannot be checked, a folder that cannot be named.
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        rules = policy.effective
        where = "tools" if policy.tools is not None else "mcp.tools"
        self.tools = ToolTable(_entries(where, rules.tools, "name"), _denied("mcp.tools")) if rules.tools else None
        self.prompts = (
            NameTable(_entries("mcp.prompts", rules.prompts, "name"), _denied("mcp.prompts")) if rules.prompts else None
        )
        self.resources: dict[str, UriTable] | None = None
        self.resource_entries: list[Entry] | None = None
        if rules.resources is not None:
            self.resource_entries = every = _entries("mcp.resources", rules.resources, "uri")
            self.resources = {
                operation: UriTable(
                    [one for one in every if _has(one.rule.operations, operation)], _denied("mcp.resources")
                )
                for operation in OPERATIONS
            }
        core = policy.core
        self.environment_rules = NameTable(
            _entries("core.environment", core.environment, "key"), _denied("core.environment")
        )
        self.storage_entries = [_absolute(one) for one in _entries("core.storage", core.storage, "uri")]
        self.storage_rules = {
            access: PathTable([one for one in self.storage_entries if access in accesses(one)], _denied("core.storage"))
            for access in ACCESSES
        }
        self.network_rules = NetworkTable(_entries("core.network", core.network, ""), _denied("core.network"))
        self._known_demands: dict[tuple[str, str], _Demands] = {}
        self._conditions = [_condition(entry) for entry in (self.tools.entries if self.tools else ()) if entry.allow]

    def notes(self) -> list[str]:
        """What is right and yet hardly meant."""
        tables: list[Sequence[Entry]] = [
            self.tools.entries if self.tools is not None else (),
            self.prompts.entries if self.prompts is not None else (),
            self.resource_entries or (),
            self.environment_rules.entries,
        ]
        out = []
        for entries in tables:
            every = next((one for one in entries if not one.allow and not one.pattern.strip("*")), None)
            lost = [one for one in entries if one.decision.strength == WILD_ALLOW]
            if every is not None and lost:
                out.append(
                    f"{every.decision.place}: {every.decision.rule} denies what {lost[0].decision.rule} allows, "
                    "because it has a wildcard too; remove the denial: what no rule allows is denied anyway"
                )
        return out

    # What clients use

    def tool(self, name: str, qualified: str = "") -> Decision:
        """`qualified`: ``module/tool``."""
        return self.tools.decide(name, qualified) if self.tools is not None else UNRESTRICTED

    def prompt(self, name: str) -> Decision:
        return self.prompts.decide(name) if self.prompts is not None else UNRESTRICTED

    def resource(self, uri: str, operation: Operation = "read") -> Decision:
        return self.resources[operation].decide(uri) if self.resources is not None else UNRESTRICTED

    def conditions(self, name: str, qualified: str = "") -> tuple[Condition, ...]:
        """What the rules that allow a tool ask of its arguments: all of them, not only the strongest's."""
        return self._demands(name, qualified).conditions

    def arguments(self, name: str, qualified: str, arguments: Any) -> Decision | None:
        """The denial where arguments (as `json.loads` makes them) are not what the rules ask; None where they are.

        `why` says what is wrong, which may quote the arguments.
        """
        for condition in self.conditions(name, qualified):
            try:
                condition.checker.check(arguments)
            except SchemaMismatch as mismatch:
                why = f"denied: arguments that the rule {condition.rule.rule} does not allow: {mismatch}"
                return msgspec.structs.replace(condition.rule, allowed=False, why=why)
        return None

    def prompt_length(self, name: str) -> int | None:
        """Characters that a prompt's arguments, and its messages, may have: the least of the rules that allow it."""
        entries = self.prompts.entries if self.prompts is not None else ()
        lengths = [
            one.rule.max_length for one in entries if one.allow and NameTable([one], UNRESTRICTED).decide(name).decided
        ]
        return _least(lengths)

    def rates(self, tools: Iterable[tuple[str, str]]) -> dict[str, Rate]:
        """For tools (name, ``module/tool``) that may not be called any number of times: the least of all rules that
        allow the tool, and of that tool alone."""
        found = ((name, self.rate(name, qualified)) for name, qualified in tools)
        return {name: rate for name, rate in found if rate is not None}

    @property
    def has_rates(self) -> bool:
        """Whether any rule says how often tools may be called."""
        rules = [entry.rule for entry, _ in self._conditions]
        return any(rule.max_calls_per_minute or rule.max_calls_per_hour for rule in rules)

    def rate(self, name: str, qualified: str = "") -> Rate | None:
        """The same for one tool; None: any number."""
        return self._demands(name, qualified).rate

    def _demands(self, name: str, qualified: str) -> _Demands:
        known = self._known_demands.get((name, qualified))
        if known is None:
            means = [(entry, checker) for entry, checker in self._conditions if _means(entry, name, qualified)]
            conditions = [Condition(entry.decision, checker) for entry, checker in means if checker is not None]
            rates = [Rate(entry.rule.max_calls_per_minute, entry.rule.max_calls_per_hour) for entry, _ in means]
            rate = Rate(_least(one.per_minute for one in rates), _least(one.per_hour for one in rates))
            known = _Demands(tuple(conditions), rate if rate != Rate(None, None) else None)
            if len(self._known_demands) >= REMEMBERED:
                self._known_demands.clear()
            self._known_demands[name, qualified] = known
        return known

    def transport(self, kind: str) -> Decision:
        """`kind`: stdio, http or websocket."""
        rules = self.policy.effective.transport
        if rules is None:
            return UNRESTRICTED
        allowed = getattr(rules, kind, False) is not False
        rule = f"mcp.transport.{kind}"
        why = f"{'allowed' if allowed else 'denied'} by {rule}" + ("" if allowed else ", which is not true")
        return Decision(allowed=allowed, rule=rule, place=str(rules.place), why=why)

    def host_header(self, host: str) -> Decision:
        """Whether the server may answer for a host (of ``transport.settings.allowed_hosts``)."""
        rules = self.policy.effective.transport
        http = rules.http if rules is not None else None
        if rules is None or not isinstance(http, HttpRule) or http.allowed_hosts is None:
            return UNRESTRICTED
        allowed = host.lower() in {one.lower() for one in http.allowed_hosts}
        rule = "mcp.transport.http.allowed_hosts"
        why = f"allowed by {rule}" if allowed else f"denied: {host!r} is not in {rule}"
        return Decision(allowed=allowed, rule=rule, place=str(rules.place), why=why)

    # What guests reach

    def storage(self, path: str, access: AnyAccess) -> Decision:
        """`path`: absolute, links resolved, without . and .."""
        return self.storage_rules[access].decide(path)

    def network(self, host: str, port: int, protocol: str = "tcp") -> Decision:
        """Before a name is resolved; see `check_addresses` for after."""
        return self.network_rules.decide(host, port, protocol)

    def check_addresses(self, host: str, addresses: Sequence[str], port: int, protocol: str = "tcp") -> Decision:
        return self.network_rules.check_addresses(host, addresses, port, protocol)

    def environment(self, name: str) -> Decision:
        return self.environment_rules.decide(name)

    def variables(self, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Those that guests may see, by name; without those that are not UTF-8, which no guest can be given."""
        allowed = [(name, value) for name, value in sorted(environ.items()) if self.environment(name).allowed]
        return tuple(pair for pair in allowed if all(map(_is_text, pair)))


def accesses(entry: Entry) -> tuple[AnyAccess, ...]:
    """What a rule is about: where it says nothing, reading where it allows and everything where it denies."""
    given: tuple[AnyAccess, ...] | None = entry.rule.access
    return given if given is not None else ("read",) if entry.allow else ACCESSES


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _has(operations: tuple[str, ...] | None, operation: str) -> bool:
    return operations is None or operation in operations


def _denied(section: str) -> Decision:
    return Decision(allowed=False, rule="", why=f"denied: no rule of {section} allows it")


def _entries(section: str, rules: Any, key: str) -> list[Entry]:
    """The rules of a section in the file's order, those that allow first."""
    out: list[Entry] = []
    for allow, listed in ((True, rules.allow), (False, rules.deny)):
        for order, rule in enumerate(listed):
            pattern = getattr(rule, key) if key else rule.host if rule.host is not None else rule.cidr
            wild = _is_wild_network(rule) if isinstance(rule, NetworkRule) else is_wild(pattern)
            decision = ruling(allow=allow, wild=wild, section=section, pattern=pattern, place=rule.place, order=order)
            out.append(Entry(pattern=pattern, allow=allow, decision=decision, rule=rule))
    return out


def _is_wild_network(rule: NetworkRule) -> bool:
    if rule.cidr is not None:
        return not rule.cidr.endswith("/128" if ":" in rule.cidr else "/32")
    return rule.host is not None and rule.host.startswith("*")


def _absolute(entry: Entry) -> Entry:
    """The rule with its path made absolute: ``fs://`` taken off, what is relative put below the file's folder."""
    text = entry.pattern.removeprefix("fs://")
    if text.startswith("~/"):
        text = str(Path(text).expanduser())
    folder = "" if text.startswith("/") else str(entry.rule.place.folder.resolve())
    if not WILDCARDS.isdisjoint(folder):
        raise PolicyError(
            f"{entry.rule.place}: {entry.pattern!r} is relative to {folder}, which has a wildcard in its name"
        )
    names = [name for name in f"{folder}/{text}".split("/") if name not in ("", ".")]
    return msgspec.structs.replace(entry, pattern="/" + "/".join(names))


def _condition(entry: Entry) -> tuple[Entry, Checker | None]:
    if entry.rule.parameters is None:
        return entry, None
    try:
        return entry, compile_schema(parameters_schema(entry.rule.parameters))
    except SchemaError as error:
        raise PolicyError(f"{entry.rule.place}: parameters of {entry.decision.rule}: {error}") from None


def _least(values: Iterable[int | None]) -> int | None:
    return min((value for value in values if value is not None), default=None)


def _means(entry: Entry, name: str, qualified: str) -> bool:
    return ToolTable([entry], UNRESTRICTED).decide(name, qualified).decided
