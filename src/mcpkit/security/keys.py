"""An issuer's signing keys (RFC 7517): fetched when needed, again when they age or rotate, kept while it is down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from mcpkit.security.errors import UnavailableError

if TYPE_CHECKING:
    from jwt import PyJWK

log = logging.getLogger(__name__)

MAX_KEYS = 64
MAX_TRIES = 8
"""Keys that are tried for a token that names none."""

_KIND: dict[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Type and curve of key by signature algorithm: a key is used for nothing else, whatever a token says."""


class KeySet:
    """Keys of one issuer. `fetch` returns the JWK set as parsed JSON, or raises UnavailableError."""

    def __init__(
        self,
        fetch: Callable[[], Awaitable[dict[str, Any]]],
        *,
        refresh: float,
        cooldown: float,
        stale: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Seconds: `refresh` between regular fetches, `cooldown` between any two, `stale` for which old keys count."""
        self._fetch = fetch
        self._refresh = refresh
        self._cooldown = cooldown
        self._stale = stale
        self._clock = clock
        self._lock = asyncio.Lock()
        self._keys: list[dict[str, Any]] = []
        self._made: dict[tuple[int, str], PyJWK | None] = {}
        self._fetched = self._tried = -float("inf")

    async def find(self, kid: str | None, algorithm: str) -> list[PyJWK]:
        """Keys that may have signed a token with this header, best known; none where there is no such key.

        Raises UnavailableError when there are no keys that are young enough.
        """
        if self._clock() - self._fetched >= self._refresh:
            await self._renew()
        found = self._matching(kid, algorithm)
        if not found and await self._renew():
            found = self._matching(kid, algorithm)
        if self._clock() - self._fetched >= self._stale:
            raise UnavailableError("the authorization server's signing keys are not to be had")
        return found

    async def _renew(self) -> bool:
        """Fetch unless that was tried a moment ago. True when there may be other keys than before the call."""
        asked = self._clock()
        async with self._lock:
            if self._fetched >= asked:
                return True  # somebody else did while this one waited
            if self._clock() - self._tried < self._cooldown:
                return False
            self._tried = self._clock()
            try:
                answer = await self._fetch()
            except UnavailableError as error:
                log.warning("signing keys were not renewed: %s", error)
                return False
            keys = answer.get("keys")
            if not isinstance(keys, list):
                log.warning("signing keys were not renewed: the answer is no set of keys")
                return False
            self._keys = [key for key in keys[:MAX_KEYS] if isinstance(key, dict) and _verifies(key)]
            self._made.clear()
            self._fetched = self._clock()
            return True

    def _matching(self, kid: str | None, algorithm: str) -> list[PyJWK]:
        found: list[PyJWK] = []
        for number in self._candidates(kid, algorithm):
            at = (number, algorithm)
            if at not in self._made:
                self._made[at] = _make(self._keys[number], algorithm)
            key = self._made[at]
            if key is not None:
                found.append(key)
        return found[:MAX_TRIES]

    def _candidates(self, kid: str | None, algorithm: str) -> Iterator[int]:
        kind, curve = _KIND[algorithm]
        for number, key in enumerate(self._keys):
            if kid is not None and key.get("kid") != kid:
                continue
            if key.get("kty") == kind and curve in (None, key.get("crv")) and key.get("alg", algorithm) == algorithm:
                yield number


def _verifies(key: dict[str, Any]) -> bool:
    uses = key.get("key_ops")
    return key.get("use", "sig") == "sig" and (not isinstance(uses, list) or "verify" in uses) and "d" not in key


def _make(key: dict[str, Any], algorithm: str) -> PyJWK | None:
    from jwt import PyJWK
    from jwt.exceptions import PyJWTError

    try:
        return PyJWK(key, algorithm)
    except (PyJWTError, ValueError, TypeError) as error:
        log.warning("a signing key is not usable: %s", type(error).__name__)
        return None
