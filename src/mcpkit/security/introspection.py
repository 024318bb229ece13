"""Tokens that only their issuer can judge (RFC 7662). Answers are remembered for a moment, good and bad alike."""

from __future__ import annotations

import asyncio
import hashlib
import time
from base64 import b64encode
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from mcpkit.config.security import Introspection
from mcpkit.security import claims as said
from mcpkit.security.errors import BadTokenError, UnavailableError
from mcpkit.security.fetch import Fetcher
from mcpkit.security.tokens import Verified

MAX_ANSWERS = 4096
MAX_ASKING = 16
MAX_WAITING = 256
"""Questions that may wait for their turn; more are refused, so that made-up tokens do not pile up."""


class Introspector:
    """Asks one authorization server."""

    def __init__(
        self,
        issuer: str,
        config: Introspection,
        fetcher: Fetcher,
        *,
        audiences: tuple[str, ...],
        leeway: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._endpoint = config.endpoint
        self._seconds = config.cache / 1e9
        self._fetcher = fetcher
        self._audiences = frozenset(audiences)
        self._leeway = leeway
        self._clock = clock
        pair = f"{quote(config.client_id, safe='')}:{quote(config.client_secret, safe='')}"
        self._headers = {"authorization": "Basic " + b64encode(pair.encode()).decode()}
        self._answers: dict[bytes, tuple[float, dict[str, Any]]] = {}
        """By the token's digest: until when, and what. Oldest first."""
        self._turn = asyncio.Semaphore(MAX_ASKING)
        self._waiting = 0

    async def verify(self, token: str) -> Verified:
        """Raises BadTokenError, or UnavailableError where the server does not answer."""
        digest = hashlib.sha256(token.encode()).digest()
        until, answer = self._answers.get(digest, (0.0, {}))
        if until <= self._clock():
            answer = await self._ask(token)
            until = self._clock() + self._seconds
            self._answers.pop(digest, None)
            while len(self._answers) >= MAX_ANSWERS:
                del self._answers[next(iter(self._answers))]
            self._answers[digest] = (until, answer)
        return self._judge(answer, until)

    async def _ask(self, token: str) -> dict[str, Any]:
        if self._waiting >= MAX_WAITING:
            raise UnavailableError("too many tokens are waiting to be checked")
        self._waiting += 1
        try:
            async with self._turn:
                form = {"token": token, "token_type_hint": "access_token"}
                return await self._fetcher.post(self._endpoint, form, self._headers)
        finally:
            self._waiting -= 1

    def _judge(self, answer: dict[str, Any], until: float) -> Verified:
        now = self._clock()
        if answer.get("active") is not True:
            raise BadTokenError("the token is not active")
        expiry, start = _number(answer, "exp"), _number(answer, "nbf")
        if expiry is not None and expiry + self._leeway <= now:
            raise BadTokenError("the token has expired")
        if start is not None and start - self._leeway > now:
            raise BadTokenError("the token is not valid yet")
        if answer.get("iss", self._issuer) != self._issuer:
            raise BadTokenError("the token is another issuer's")
        audience = answer.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(name, str) and name in self._audiences for name in named):
            raise BadTokenError("the token was issued for another resource")
        if str(answer.get("token_type", "Bearer")).lower() not in ("bearer", "access_token"):
            raise BadTokenError("the token is no bearer token")
        said.refuse_bound(answer)
        seconds = until - now if expiry is None else min(until, expiry) - now
        return Verified(self._issuer, answer, seconds)


def _number(answer: dict[str, Any], name: str) -> float | None:
    value = answer.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadTokenError(f"the token's {name} is no number")
    return float(value)
