"""This server as an OAuth 2.1 resource server: which of its authorization servers judges a token, and what it says."""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

from mcpkit.config.security import AuthorizationServer, OAuth
from mcpkit.security import claims as said
from mcpkit.security.errors import BadTokenError, UnavailableError
from mcpkit.security.fetch import Fetcher
from mcpkit.security.introspection import Introspector
from mcpkit.security.keys import KeySet
from mcpkit.security.metadata import discover_keys
from mcpkit.security.tokens import JwtVerifier, Verified, outline

_NS = 1e9


class _Issuer:
    """One authorization server."""

    def __init__(self, config: OAuth, server: AuthorizationServer, clock: Callable[[], float]) -> None:
        self.name = server.issuer
        self.fetcher = Fetcher(server.ca_file)
        self._jwks_uri = server.jwks_uri
        self._discovered: str | None = None
        audiences = said.audiences(config.resource, config.audiences)
        leeway = config.leeway / _NS
        keys = KeySet(
            self._keys,
            refresh=config.keys_refresh / _NS,
            cooldown=config.keys_cooldown / _NS,
            stale=config.keys_stale / _NS,
            clock=clock,
        )
        self.jwt = JwtVerifier(server.issuer, keys, algorithms=server.algorithms, audiences=audiences, leeway=leeway)
        self.introspector: Introspector | None = None
        self.introspects_all = False
        if server.introspection is not None:
            self.introspects_all = server.introspection.tokens == "all"
            self.introspector = Introspector(
                server.issuer, server.introspection, self.fetcher, audiences=audiences, leeway=leeway
            )

    async def _keys(self) -> dict[str, Any]:
        url = self._jwks_uri or self._discovered
        if url is None:
            url = self._discovered = await discover_keys(self.name, self.fetcher)
        try:
            return await self.fetcher.get(url)
        except UnavailableError:
            self._discovered = None
            raise


class ResourceServer:
    """Judges tokens. `clock` is what keys age by, in seconds."""

    def __init__(self, config: OAuth, clock: Callable[[], float] = time.monotonic) -> None:
        import_module("jwt")  # now, rather than while the first request waits
        self._cache = config.cache / _NS
        self._issuers = {server.issuer: _Issuer(config, server, clock) for server in config.authorization_servers}

    async def verify(self, token: str) -> Verified:
        """What a good token says, and for how long that may be remembered.

        Raises BadTokenError; UnavailableError where the server that could judge it cannot be reached.
        """
        about = outline(token)
        if about is None:
            return await self._ask_everybody(token)
        issuer = self._issuers.get(about.issuer)
        if issuer is None:
            raise BadTokenError("the token's issuer is not trusted here")
        if issuer.introspector is not None and issuer.introspects_all:
            return await issuer.introspector.verify(token)
        found = await issuer.jwt.verify(token, about)
        return Verified(found.issuer, found.claims, min(found.seconds, self._cache))

    async def _ask_everybody(self, token: str) -> Verified:
        refusal: BadTokenError | UnavailableError = BadTokenError("the token is malformed")
        for issuer in self._issuers.values():
            if issuer.introspector is None:
                continue
            try:
                return await issuer.introspector.verify(token)
            except (BadTokenError, UnavailableError) as error:
                if not isinstance(refusal, UnavailableError):
                    refusal = error
        raise refusal

    async def close(self) -> None:
        """Close connections to authorization servers."""
        for issuer in self._issuers.values():
            await issuer.fetcher.close()
