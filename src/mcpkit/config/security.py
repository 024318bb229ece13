"""``security``: who may use the server over HTTP, and what for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from mcpkit.config.convert import Check, Secret
from mcpkit.config.section import Duration, Hidden, Section, Text

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND

_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_HASH = re.compile(r"sha256:[0-9a-f]{32}:[0-9a-f]{64}")
_NAME = re.compile(r"(CN|DNS|URI|email|IP):.+")


def is_secure_url(text: str) -> bool:
    """True for https, and for http to this very machine; without user, fragment, quotes, spaces, control characters."""
    if re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", text) is None or len(text) > 2048:
        return False
    try:
        parts = urlsplit(text)
        port_is_fine = parts.port != 0
    except ValueError:
        return False
    if not parts.hostname or parts.username is not None or "#" in text or not port_is_fine:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_scope(text: str) -> bool:
    """True for a scope by RFC 6749."""
    return _SCOPE.fullmatch(text) is not None


Url = Annotated[
    str,
    Check(is_secure_url, "must be an https URL (http only for this machine) without user and fragment", "^https?://"),
]
Issuer = Annotated[
    str,
    Check(
        lambda text: is_secure_url(text) and "?" not in text,
        "must be an https URL (http only for this machine) without user, query and fragment",
        r"^https?://[^?#]*$",
    ),
]
Scope = Annotated[str, Check(is_scope, "must be printable ASCII without spaces and quotes", f"^({_SCOPE.pattern})$")]
CertificateName = Annotated[
    str,
    Check(
        lambda text: _NAME.fullmatch(text) is not None,
        "must be CN:, DNS:, URI:, email: or IP: and a value, in which * stands for anything",
        f"^{_NAME.pattern}$",
    ),
]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class Introspection(Section, frozen=True, kw_only=True):
    """Asking the authorization server about a token (RFC 7662)."""

    endpoint: Url
    client_id: Text
    client_secret: Hidden
    """With `client_id` as HTTP Basic credentials."""
    tokens: Literal["opaque", "all"] = "opaque"
    """Which tokens are asked about: those that are no JWT, or every one, so that revocation is noticed."""
    cache: Duration = 30 * _SECOND
    """For how long an answer counts; a token that is revoked meanwhile is accepted until then."""

    def __repr__(self) -> str:
        return f"Introspection(endpoint={self.endpoint!r}, client_id={self.client_id!r})"


class AuthorizationServer(Section, frozen=True, kw_only=True):
    """Who issues the tokens that are accepted."""

    issuer: Issuer
    """Exactly as in the tokens' `iss`."""
    jwks_uri: Url | None = None
    """None: taken from the issuer's metadata (RFC 8414, or OpenID Connect discovery)."""
    algorithms: tuple[Algorithm, ...] = ("RS256", "PS256", "ES256", "EdDSA")
    """Signatures that are accepted."""
    introspection: Introspection | None = None
    ca_file: Path | None = None
    """Certificates to trust when talking to it, instead of the usual ones."""


class OAuth(Section, frozen=True, kw_only=True):
    """This server as an OAuth 2.1 resource server."""

    resource: Url
    """The URL that clients use for the MCP endpoint; tokens must have been issued for it (RFC 8707)."""
    audiences: tuple[Text, ...] = ()
    """Further values of `aud` that stand for this server."""
    authorization_servers: tuple[AuthorizationServer, ...]
    leeway: Duration = 30 * _SECOND
    """How far clocks may differ."""
    cache: Duration = 5 * _MINUTE
    """For how long a verified token is remembered, at most until it expires."""
    keys_refresh: Duration = 10 * _MINUTE
    """How old signing keys may get before they are fetched again."""
    keys_cooldown: Duration = 30 * _SECOND
    """The shortest time between two fetches, whatever key ids tokens name."""
    keys_stale: Duration = 24 * 60 * _MINUTE
    """How old keys may get while the authorization server does not answer."""


class ApiKey(Section, frozen=True, kw_only=True):
    """One key, made by ``mcpkit key new``."""

    name: Text
    hash: Annotated[Text, Secret()]
    """``sha256:SALT:DIGEST``, never the key itself."""
    scopes: tuple[Scope, ...] = ()


class Certificate(Section, frozen=True, kw_only=True):
    """Who a client certificate belongs to."""

    match: CertificateName
    scopes: tuple[Scope, ...] = ()


class ToolScopes(Section, frozen=True, kw_only=True):
    """What a call of some tools needs."""

    tools: Text
    """``module/tool``, in which * stands for anything."""
    scopes: tuple[Scope, ...]


class ScopeIncludes(Section, frozen=True, kw_only=True):
    """A scope that is worth others too."""

    scope: Scope
    includes: tuple[Scope, ...]


class Security(Section, frozen=True, kw_only=True):
    """Who may use the server over HTTP. With no way to be let in configured, everybody may."""

    oauth: OAuth | None = None
    api_keys: tuple[ApiKey, ...] = ()
    certificates: tuple[Certificate, ...] = ()
    required_scopes: tuple[Scope, ...] = ()
    """Needed for every request."""
    tool_scopes: tuple[ToolScopes, ...] = ()
    """Needed for calls beside those; of several entries for one tool all count."""
    scope_hierarchy: tuple[ScopeIncludes, ...] = ()

    @property
    def enabled(self) -> bool:
        """Whether callers must say who they are."""
        return self.oauth is not None or bool(self.api_keys) or bool(self.certificates)


def problems(security: Security) -> Iterator[tuple[str, str]]:
    """What is wrong beyond single values: key and message. Never quotes what may be a secret."""
    if not security.enabled:
        yield "security", "lets everybody in: configure oauth, api_keys or certificates, or remove the section"
    names: set[str] = set()
    for i, entry in enumerate(security.api_keys):
        if _HASH.fullmatch(entry.hash) is None:
            yield (
                f"security.api_keys[{i}].hash",
                "must be sha256:SALT:DIGEST as `mcpkit key new` prints it, not the key",
            )
        if entry.name in names:
            yield f"security.api_keys[{i}].name", f"another key is named {entry.name!r} too"
        names.add(entry.name)
    if security.oauth is None:
        return
    servers = security.oauth.authorization_servers
    if not servers:
        yield "security.oauth.authorization_servers", "must name at least one server"
    issuers: set[str] = set()
    for i, server in enumerate(servers):
        here = f"security.oauth.authorization_servers[{i}]"
        if server.issuer in issuers:
            yield f"{here}.issuer", f"another server has the issuer {server.issuer!r} too"
        issuers.add(server.issuer)
        if server.ca_file is not None and not server.ca_file.is_file():
            yield f"{here}.ca_file", f"there is no file {server.ca_file}"
