"""What a policy lets clients see and use: lists leave out the rest, requests for it are refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from mcpkit.mcp.errors import McpError, invalid_params
from mcpkit.mcp.link import Link
from mcpkit.policy import Audit, Decision, Evaluator

ERROR = "io.mcpkit/error"
"""Where a result or an error's data says what kind of refusal it is; the core writes the same for limits."""

V = TypeVar("V")


class Guard:
    """Asks the policy; without one everything is let through."""

    def __init__(
        self,
        policy: Evaluator | None = None,
        audit: Audit | None = None,
        who: Callable[[int], str] = lambda principal: "",
    ) -> None:
        """`who`: the id of an authenticated caller by number, empty for nobody."""
        self.policy = policy
        self._audit = audit
        self._who = who

    # Tools: a refusal is a result, so that a model reads it

    def lists_tool(self, name: str, qualified: str) -> bool:
        return self.policy is None or self.policy.tool(name, qualified).allowed

    def restricts_tool(self, name: str, qualified: str) -> bool:
        """Whether calls have to be asked about: the tool is denied, or its arguments have conditions."""
        if self.policy is None:
            return False
        return bool(self.policy.conditions(name, qualified)) or not self.policy.tool(name, qualified).allowed

    def tool(self, name: str, qualified: str, arguments: dict[str, Any], link: Link) -> dict[str, Any] | None:
        """The CallToolResult that refuses a call; None where it may go on."""
        if self.policy is None:
            return None
        decision = self.policy.tool(name, qualified)
        if not decision.allowed:
            message = f"the tool {name[:128]!r} is not allowed by this server's policy: {decision.why}"
        else:
            refused = self.policy.arguments(name, qualified, arguments)
            if refused is None:
                return None
            decision = refused
            message = f"the tool {name[:128]!r} is not allowed with these arguments: {decision.why}"
        self._refused("tools/call", name, decision, link)
        return _result(message, _kind(decision))

    # Prompts and resources: a refusal is an error of the protocol's

    def lists_prompt(self, name: str) -> bool:
        return self.policy is None or self.policy.prompt(name).allowed

    def lists_resource(self, uri: str) -> bool:
        return self.policy is None or self.policy.resource(uri, "list").allowed

    def reads_resource(self, uri: str) -> bool:
        return self.policy is None or self.policy.resource(uri, "read").allowed

    def subscribes(self, uri: str) -> bool:
        return self.policy is None or self.policy.resource(uri, "subscribe").allowed

    def prompt(self, method: str, name: str, arguments: Mapping[str, str], link: Link) -> None:
        """Raises McpError."""
        if self.policy is None:
            return
        decision = self.policy.prompt(name)
        if not decision.allowed:
            raise self._error(method, "prompt", name, decision, link)
        self._length(method, name, sum(map(len, arguments.values())), "arguments", link)

    def prompted(self, name: str, result: dict[str, Any], link: Link) -> dict[str, Any]:
        """A prompt's result, unless it is too long. Raises McpError."""
        if self.policy is not None:
            messages = result.get("messages", ())
            letters = sum(len(str(one.get("content", {}).get("text", ""))) for one in messages)
            self._length("prompts/get", name, letters, "messages", link)
        return result

    def resource(self, method: str, uri: str, link: Link, *, subscribe: bool = False) -> None:
        """Raises McpError."""
        if self.policy is None:
            return
        decision = self.policy.resource(uri, "subscribe" if subscribe else "read")
        if not decision.allowed:
            raise self._error(method, "resource", uri, decision, link)

    def visible(self, items: Mapping[str, V]) -> Mapping[str, V]:
        """Those of `items`, by URI, that may be read; follows changes of `items`."""
        return items if self.policy is None else _Visible(items, self.reads_resource)

    def _length(self, method: str, name: str, letters: int, what: str, link: Link) -> None:
        assert self.policy is not None
        most = self.policy.prompt_length(name)
        if most is None or letters <= most:
            return
        why = f"its {what} have {letters} characters, and the policy allows {most}"
        decision = Decision(allowed=False, rule=self.policy.prompt(name).rule, why=why)
        raise self._error(method, "prompt", name, decision, link)

    def _error(self, method: str, what: str, name: str, decision: Decision, link: Link) -> McpError:
        self._refused(method, name, decision, link)
        message = f"the {what} {name[:256]!r} is not allowed by this server's policy: {decision.why}"
        return invalid_params(message, {ERROR: _kind(decision)})

    def _refused(self, action: str, target: str, decision: Decision, link: Link) -> None:
        if self._audit is None:
            return
        # Over stdio whoever started the process asks.
        who = self._who(link.principal) or ("stdio" if link.transport == "stdio" else "anonymous")
        self._audit.refused(who=who, action=action, target=target, decision=decision, transport=link.transport)


def _result(message: str, error: dict[str, Any]) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": message}], "isError": True, "_meta": {ERROR: error}}


def _kind(decision: Decision) -> dict[str, str]:
    return {"kind": "policy", "rule": decision.rule}


class _Visible(Mapping[str, V]):
    def __init__(self, items: Mapping[str, V], sees: Callable[[str], bool]) -> None:
        self._items = items
        self._sees = sees

    def __getitem__(self, uri: str) -> V:
        if not self._sees(uri):
            raise KeyError(uri)
        return self._items[uri]

    def __iter__(self) -> Iterator[str]:
        return (uri for uri in self._items if self._sees(uri))

    def __len__(self) -> int:
        return sum(1 for _ in self)
