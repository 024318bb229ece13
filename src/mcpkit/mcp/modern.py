"""Revision 2026-07-28: no sessions. A request that needs the client's answers ends, and comes back with them."""

from __future__ import annotations

import hashlib
import time
from typing import Any

import msgspec

from mcpkit.mcp.errors import invalid_params, missing_capability
from mcpkit.mcp.link import CAPABILITY, Asks, InputRequired, Wire, notification, trace_of
from mcpkit.mcp.params import CLIENT_CAPABILITIES, LOG_LEVEL
from mcpkit.mcp.revisions import Era
from mcpkit.mcp.sealed import LIFETIME_S, Sealer, State

ROUNDS = frozenset({"tools/call", "prompts/get", "resources/read"})
"""Methods that may answer ``input_required``."""

_CARRIED = frozenset({"_meta", "inputResponses", "requestState"})


class ModernLink:
    """A modern request's way back to its client. `params` are its parameters, `_meta` included and already checked.

    `owner` is the caller's identity, the same in every process: what is sealed for one caller is of no use to another.
    """

    era: Era = "modern"
    session: str | None = None

    def __init__(
        self,
        wire: Wire,
        sealer: Sealer,
        *,
        revision: str,
        transport: str,
        method: str,
        request_id: bytes,
        params: dict[str, Any],
        principal: int = 0,
        owner: str = "",
    ) -> None:
        meta = params["_meta"]
        self.revision = revision
        self.transport = transport
        self.principal = principal
        self.request_id = request_id
        self.capabilities: dict[str, Any] = meta[CLIENT_CAPABILITIES]
        self.progress_token: str | int | None = meta.get("progressToken")
        self.log_level: str | None = meta.get(LOG_LEVEL)
        self.trace = trace_of(meta)
        self.state: dict[str, Any] = {}
        self._wire = wire
        self._sealer = sealer
        self._method = method
        self._owner = owner
        self._answers: dict[str, dict[str, Any]] = {}
        self._asked = 0
        self._digest = _digest(params)
        self._take(params)

    def _take(self, params: dict[str, Any]) -> None:
        """What earlier rounds brought."""
        sealed, given = params.get("requestState"), params.get("inputResponses")
        if sealed is not None:
            if not isinstance(sealed, str):
                raise invalid_params("requestState must be the string that the server gave")
            opened = self._sealer.open(sealed, owner=self._owner, method=self._method, digest=self._digest)
            self._answers |= opened.answers
            self.state |= opened.state
        if given is not None:
            if not isinstance(given, dict):
                raise invalid_params("inputResponses must be an object")
            for key, answer in given.items():
                if not isinstance(answer, dict):
                    raise invalid_params(f"inputResponses.{key[:64]} must be an object")
                self._answers[key] = answer

    def notify(self, method: str, params: dict[str, Any]) -> None:
        self._wire.send(notification(method, params))

    async def ask(self, method: str, params: dict[str, Any], *, key: str | None = None) -> dict[str, Any]:
        self._asked += 1
        name = key or f"{CAPABILITY[method]}-{self._asked}"
        return (await self.ask_all({name: (method, params)}))[name]

    async def ask_all(self, asks: Asks) -> dict[str, dict[str, Any]]:
        needed = {CAPABILITY[method] for method, _ in asks.values()}
        lacking: dict[str, Any] = {name: {} for name in needed if name not in self.capabilities}
        if lacking:
            raise missing_capability(lacking)
        missing = {key: ask for key, ask in asks.items() if not _fits(ask[0], self._answers.get(key))}
        if missing:
            raise InputRequired(missing)
        return {key: self._answers[key] for key in asks}

    def input_required(self, needed: InputRequired) -> dict[str, Any]:
        """The members of the result that asks for `needed`."""
        state = State(
            expires=time.time() + LIFETIME_S,
            owner=self._owner,
            method=self._method,
            digest=self._digest,
            answers={key: answer for key, answer in self._answers.items() if key not in needed.asks},
            state=self.state,
        )
        asked = {key: {"method": method, "params": params} for key, (method, params) in needed.asks.items()}
        return {
            "resultType": "input_required",
            "inputRequests": asked,
            "requestState": self._sealer.seal(state),
        }


def _digest(params: dict[str, Any]) -> str:
    own = {key: value for key, value in params.items() if key not in _CARRIED}
    return hashlib.sha256(msgspec.json.encode(own, order="sorted")).hexdigest()


def _fits(method: str, answer: dict[str, Any] | None) -> bool:
    """Whether an answer has the members that a result of `method` must have; one that has not is asked for again."""
    if answer is None:
        return False
    match CAPABILITY[method]:
        case "elicitation":
            return answer.get("action") in {"accept", "decline", "cancel"}
        case "roots":
            return isinstance(answer.get("roots"), list)
        case _:
            return "content" in answer and isinstance(answer.get("role"), str)
