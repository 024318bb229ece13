"""``credentials``: secrets that guests are given, and where they come from. See docs/credentials.md."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from mcpkit.config.section import Section, Text

Kind = Literal["api_key", "bearer", "basic", "oauth2"]

SOURCES = ("env", "file", "keyring")


class Credential(Section, frozen=True, kw_only=True):
    """One secret and its source: of an API key or a bearer token, a password, or a client's secret."""

    name: Text
    """What guests ask for."""
    type: Kind = "api_key"
    env: Text | None = None
    """A variable of the server's own environment."""
    file: Path | None = None
    """A file; a line end at its end is not part of the secret."""
    keyring: Text | None = None
    """``SERVICE/USERNAME`` in the system's keyring."""
    username: Text | None = None
    """basic: who the password is of."""
    token_url: Text | None = None
    """oauth2: where tokens are had for the client's secret."""
    client_id: Text | None = None
    scopes: tuple[Text, ...] = ()
    audience: Text | None = None


class Given(Section, frozen=True, kw_only=True):
    """A credential that a module is given, and under which name."""

    name: Text
    variable: Text | None = None
    """In the guest's environment; by default the credential's name in capitals."""


def problems(credentials: tuple[Credential, ...]) -> Iterator[tuple[str, str]]:
    """What is wrong beyond single values: key and message."""
    seen: set[str] = set()
    for i, credential in enumerate(credentials):
        here = f"credentials[{i}]"
        if credential.name in seen:
            yield here, f"another credential is named {credential.name!r} too"
        seen.add(credential.name)
        given = [source for source in SOURCES if getattr(credential, source) is not None]
        if len(given) != 1:
            yield here, f"needs one source: env, file or keyring; it has {' and '.join(given) or 'none'}"
        if credential.keyring is not None and "/" not in credential.keyring:
            yield f"{here}.keyring", "must be SERVICE/USERNAME"
        yield from _of_type(here, credential)


def _of_type(here: str, credential: Credential) -> Iterator[tuple[str, str]]:
    if (credential.username is not None) != (credential.type == "basic"):
        yield here, "username belongs to type basic, which needs it"
    client = (credential.token_url is not None, credential.client_id is not None)
    if credential.type == "oauth2":
        if not all(client):
            yield here, "type oauth2 needs token_url and client_id"
    elif any(client) or credential.scopes or credential.audience is not None:
        yield here, "token_url, client_id, scopes and audience belong to type oauth2"
    if credential.token_url is not None and not _is_safe(credential.token_url):
        yield f"{here}.token_url", "must be https, or http on this machine: the client's secret is sent there"


def _is_safe(url: str) -> bool:
    parts = urlsplit(url)
    local = parts.hostname in {"127.0.0.1", "::1", "localhost"}
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))
