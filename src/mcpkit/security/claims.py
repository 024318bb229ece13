"""What a token says about its bearer, whether it said so itself or the authorization server did."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcpkit.security.errors import BadTokenError

MAX_SUBJECT = 512


def identity(issuer: str, claims: Mapping[str, Any]) -> str:
    """The caller's id. Raises BadTokenError where the token is nobody's."""
    for name in ("sub", "client_id", "azp"):
        value = claims.get(name)
        if isinstance(value, str) and value and len(value) <= MAX_SUBJECT:
            return f"oauth:{issuer}#{value}" if name == "sub" else f"oauth:{issuer}#client:{value}"
    raise BadTokenError("the token names no subject")


def scopes(claims: Mapping[str, Any]) -> list[str]:
    """Granted scopes: `scope` (RFC 8693, RFC 7662) or `scp`, each one text or a list."""
    granted: list[str] = []
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            granted += value.split()
        elif isinstance(value, list):
            granted += [scope for scope in value if isinstance(scope, str)]
    return granted


def refuse_bound(claims: Mapping[str, Any]) -> None:
    """A token bound to its owner's key (RFC 7800) is worth nothing to a bearer who does not prove to have that key."""
    if claims.get("cnf") is not None:
        raise BadTokenError("the token is bound to a key, of which this server takes no proof")


def audiences(resource: str, further: tuple[str, ...]) -> tuple[str, ...]:
    """What `aud` may be: the resource with or without a slash at its end, and what the configuration adds."""
    bare = resource.rstrip("/")
    return tuple(dict.fromkeys((resource, bare, f"{bare}/", *further)))
