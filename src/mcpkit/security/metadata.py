"""Documents at well-known places: ours for clients (RFC 9728), and the authorization server's (RFC 8414)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from mcpkit.config.security import is_secure_url
from mcpkit.security.errors import UnavailableError
from mcpkit.security.fetch import Fetcher

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def metadata_url(resource: str) -> str:
    """Where clients find the document about `resource`."""
    parts = urlsplit(resource)
    path = parts.path if parts.path != "/" else ""
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{WELL_KNOWN}{path}{query}"


def metadata_paths(resource: str, endpoint: str) -> tuple[str, ...]:
    """Paths that the document is served at: the root's, the endpoint's own, and that of the public URL."""
    public = urlsplit(metadata_url(resource)).path
    return tuple(dict.fromkeys((WELL_KNOWN, WELL_KNOWN + endpoint, public)))


def document(resource: str, issuers: Sequence[str], scopes: Sequence[str], name: str | None) -> bytes:
    """The document as JSON text."""
    members: dict[str, Any] = {
        "resource": resource,
        "authorization_servers": list(issuers),
        "bearer_methods_supported": ["header"],
    }
    if scopes:
        members["scopes_supported"] = list(scopes)
    if name is not None:
        members["resource_name"] = name
    return json.dumps(members, ensure_ascii=False).encode()


def discovery_urls(issuer: str) -> tuple[str, ...]:
    """Where an issuer's own document may be: RFC 8414's place, then OpenID Connect's."""
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{origin}/.well-known/oauth-authorization-server{path}",
        f"{origin}{path}/.well-known/openid-configuration",
    )


async def discover_keys(issuer: str, fetcher: Fetcher) -> str:
    """The URL of an issuer's keys. Raises UnavailableError."""
    reason = "nothing was asked"
    for url in discovery_urls(issuer):
        try:
            found = await fetcher.get(url)
        except UnavailableError as error:
            reason = str(error)
            continue
        if found.get("issuer") != issuer:
            reason = "its metadata names another issuer"
            continue
        keys = found.get("jwks_uri")
        if isinstance(keys, str) and is_secure_url(keys):
            return keys
        reason = "its metadata names no place of signing keys"
    raise UnavailableError(f"the signing keys of {issuer} were not found: {reason}")
