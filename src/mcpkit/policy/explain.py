"""Why a policy decides as it does: the rule that decides, and of every other rule why it does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec

from mcpkit.config.policy import ACCESSES, Protocol
from mcpkit.policy.decision import ALLOW, DENY, WILD_ALLOW, WILD_DENY, Decision, Entry
from mcpkit.policy.evaluator import Evaluator, accesses

PROTOCOLS: tuple[Protocol, ...] = ("tcp", "udp", "http", "https")
FORMS = (
    "call, call with arguments as JSON, read:PATH (write, create, delete, execute), connect:HOST:PORT "
    "(or HOST:PORT/udp, /http, /https), env:NAME, prompt:NAME, resource:URI"
)

_KINDS = {
    DENY: "one that denies and has no wildcard",
    ALLOW: "one that allows and has no wildcard",
    WILD_DENY: "one that denies and has a wildcard",
    WILD_ALLOW: "one that allows and has a wildcard",
}


class ActionError(ValueError):
    """An action that is not understood."""


class Other(msgspec.Struct, frozen=True):
    """A rule that does not decide."""

    rule: str
    place: str
    means: bool
    """Whether it is about what was asked at all."""
    note: str


class Explanation(msgspec.Struct, frozen=True):
    """One decision, with the rules that were not followed."""

    allowed: bool
    tool: str
    action: str
    rule: str
    place: str
    why: str
    others: tuple[Other, ...]


def explain(policy: Evaluator, tool: str, qualified: str, action: str, arguments: Any = None) -> Explanation:
    """`arguments`: as `json.loads` makes them, for ``call``; None: not looked at. Raises ActionError.

    A guest that may not be called does nothing else either.
    """
    called = policy.tool(tool, qualified)
    if action == "call" and called.allowed and arguments is not None:
        refused = policy.arguments(tool, qualified, arguments)
        if refused is not None:
            return _explanation(tool, action, refused, _tools(policy, tool, qualified, refused))
    if action == "call" or (not called.allowed and _needs_tool(action)):
        return _explanation(tool, action, called, _tools(policy, tool, qualified, called))
    decision, others = _other(policy, action)
    return _explanation(tool, action, decision, others)


def _explanation(tool: str, action: str, decision: Decision, others: Sequence[Other]) -> Explanation:
    return Explanation(decision.allowed, tool, action, decision.rule, decision.place, decision.why, tuple(others))


def _needs_tool(action: str) -> bool:
    return action.partition(":")[0] not in ("prompt", "resource")


def _tools(policy: Evaluator, tool: str, qualified: str, decision: Decision) -> list[Other]:
    if policy.tools is None:
        return []
    return _others(policy.tools.alone(), lambda table: table.decide(tool, qualified), decision)


def _other(policy: Evaluator, action: str) -> tuple[Decision, list[Other]]:
    what, _, rest = action.partition(":")
    if what in ACCESSES:
        access = what
        decision = policy.storage(rest, access)
        others = _others(policy.storage_rules[access].alone(), lambda table: table.decide(rest), decision)
        about = [entry for entry in policy.storage_entries if access not in accesses(entry)]
        return decision, others + [_skipped(entry, f"is about {', '.join(accesses(entry))}") for entry in about]
    if what == "env" and rest:
        decision = policy.environment(rest)
        return decision, _others(policy.environment_rules.alone(), lambda table: table.decide(rest), decision)
    if what == "prompt" and rest:
        decision = policy.prompt(rest)
        alone = policy.prompts.alone() if policy.prompts is not None else ()
        return decision, _others(alone, lambda table: table.decide(rest), decision)
    if what == "resource" and rest:
        decision = policy.resource(rest, "read")
        uris = policy.resources["read"].alone() if policy.resources is not None else ()
        return decision, _others(uris, lambda table: table.decide(rest), decision)
    if what == "connect":
        host, port, protocol = _endpoint(rest)
        decision = policy.network(host, port, protocol)
        asks: Callable[[Any], Decision] = lambda table: table.decide(host, port, protocol)  # noqa: E731
        return decision, _others(policy.network_rules.alone(), asks, decision)
    raise ActionError(f"{action!r} is no action; there are {FORMS}")


def _endpoint(text: str) -> tuple[str, int, Protocol]:
    address, _, protocol = text.partition("/")
    host, _, port = address.rpartition(":")
    if not host or not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ActionError(f"'connect:{text}': expected connect:HOST:PORT, as in connect:api.example.org:443")
    if protocol not in ("", *PROTOCOLS):
        raise ActionError(f"'connect:{text}': the protocol is one of {', '.join(PROTOCOLS)}")
    return host, int(port), cast("Protocol", protocol or "tcp")


def _others(alone: Any, ask: Callable[[Any], Decision], decision: Decision) -> list[Other]:
    """`alone`: each rule with a table of nothing else."""
    out = []
    for entry, table in alone:
        said = ask(table)
        same = said.strength == entry.decision.strength and said.rule == entry.decision.rule
        if same and (entry.decision.rule, entry.decision.order) == (decision.rule, decision.order):
            continue
        if same:
            out.append(Other(entry.decision.rule, entry.decision.place, True, _weaker(entry.decision, decision)))
        else:
            out.append(_skipped(entry, "is about something else"))
    return out


def _weaker(one: Decision, decision: Decision) -> str:
    if one.strength == decision.strength:
        return "is about this too, and stands after the rule that decides"
    if one.strength > decision.strength:
        return "is about this too, and was asked before"
    return f"is about this too; before {_KINDS[one.strength]} comes {_KINDS.get(decision.strength, 'what is no rule')}"


def _skipped(entry: Entry, note: str) -> Other:
    return Other(entry.decision.rule, entry.decision.place, False, note)


def show(explanation: Explanation) -> str:
    """For people."""
    at = f" ({explanation.place})" if explanation.place else ""
    lines = [
        f"{'allowed' if explanation.allowed else 'denied'}: {explanation.action} by {explanation.tool}",
        f"  rule  {explanation.rule or 'none'}{at}",
        f"  why   {explanation.why}",
    ]
    if explanation.others:
        lines.append("rules that do not decide:")
    others = sorted(explanation.others, key=lambda one: not one.means)
    lines += [f"  {other.rule} ({other.place})  {other.note}" for other in others]
    return "\n".join(lines)


def as_json(explanation: Explanation) -> str:
    return json.dumps(msgspec.to_builtins(explanation), indent=2, ensure_ascii=False)
