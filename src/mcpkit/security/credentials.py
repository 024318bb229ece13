"""Credentials for guests: from their sources to the variables of a guest's environment.

A guest is given what it declared and nothing else. OAuth 2 tokens (client credentials, RFC 6749 section 4.4) are had
before the first call and again before they expire.
"""

from __future__ import annotations

import base64
import logging
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from mcpkit.security.secrets import Secret

log = logging.getLogger("mcpkit.credentials")

MAX_SECRET = 64 << 10
MAX_ANSWER = 1 << 20
TIMEOUT_S = 15.0
DEFAULT_LIFETIME_S = 3600.0
RETRY_S = 30.0


class Source(Protocol):
    """An entry of ``credentials``; `mcpkit.config.credentials.Credential` is one."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def env(self) -> str | None: ...
    @property
    def file(self) -> Path | None: ...
    @property
    def keyring(self) -> str | None: ...
    @property
    def username(self) -> str | None: ...
    @property
    def token_url(self) -> str | None: ...
    @property
    def client_id(self) -> str | None: ...
    @property
    def scopes(self) -> Sequence[str]: ...
    @property
    def audience(self) -> str | None: ...


class Wanted(msgspec.Struct, frozen=True):
    """What a guest declares."""

    name: str
    variable: str | None = None
    required: bool = True


class CredentialError(Exception):
    """A credential that cannot be given; the message says which, from where and why, and never what it is."""


class Token(msgspec.Struct, frozen=True):
    text: Secret
    until: float
    """On the clock of the vault; refreshed some time before."""


class Vault:
    """The configured credentials. Reads each source once, at its first use."""

    def __init__(
        self,
        sources: Iterable[Source],
        *,
        environ: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._environ = os.environ if environ is None else environ
        self._clock = clock
        self._secrets: dict[str, Secret] = {}
        self._tokens: dict[str, Token] = {}

    def variables(self, wanted: Iterable[Wanted], whose: str) -> list[tuple[str, str]]:
        """Names and values for a guest's environment. `whose` stands in messages. Raises CredentialError."""
        pairs: list[tuple[str, str]] = []
        for one in wanted:
            source = self._sources.get(one.name)
            if source is None:
                if one.required:
                    known = ", ".join(sorted(self._sources)) or "none"
                    raise CredentialError(
                        f"{whose} needs the credential {one.name!r}, which is not configured; put it under credentials "
                        f"(there are: {known})"
                    )
                continue
            variable = one.variable or variable_of(one.name)
            secret = self._token(source).text if source.type == "oauth2" else self._secret(source)
            if source.type == "basic":
                pairs += [(f"{variable}_USERNAME", source.username or ""), (f"{variable}_PASSWORD", secret.reveal())]
            else:
                pairs.append((variable, secret.reveal()))
        return pairs

    def expires_in(self) -> float | None:
        """Seconds until a token that is in use should be had anew; None: none is in use."""
        if not self._tokens:
            return None
        return max(0.0, min(token.until for token in self._tokens.values()) - self._clock())

    def refresh(self) -> bool:
        """Have those tokens anew whose time is over. True: there are other ones now.

        Failures are logged and tried again.
        """
        changed = False
        for name, token in list(self._tokens.items()):
            if token.until > self._clock():
                continue
            try:
                self._tokens[name] = self._fetch(self._sources[name])
                changed = True
            except CredentialError as error:
                log.error("%s; trying again in %g s", error, RETRY_S)
                self._tokens[name] = Token(token.text, self._clock() + RETRY_S)
        return changed

    def _secret(self, source: Source) -> Secret:
        known = self._secrets.get(source.name)
        if known is None:
            known = self._secrets[source.name] = Secret(self._read(source))
        return known

    def _read(self, source: Source) -> str:
        if source.env is not None:
            where, text = f"the variable {source.env}", self._environ.get(source.env)
            if text is None:
                raise CredentialError(f"credential {source.name!r}: {where} is not set")
        elif source.file is not None:
            where, text = f"the file {source.file}", _from_file(source.name, source.file)
        else:
            assert source.keyring is not None
            where, text = f"the keyring's {source.keyring}", _from_keyring(source.name, source.keyring)
        if not text:
            raise CredentialError(f"credential {source.name!r}: {where} is empty")
        if "\0" in text or len(text) > MAX_SECRET:
            raise CredentialError(f"credential {source.name!r}: {where} is no text of at most {MAX_SECRET} characters")
        return text

    def _token(self, source: Source) -> Token:
        token = self._tokens.get(source.name)
        if token is None:
            token = self._tokens[source.name] = self._fetch(source)
        return token

    def _fetch(self, source: Source) -> Token:
        assert source.token_url is not None
        assert source.client_id is not None
        form = {"grant_type": "client_credentials"}
        if source.scopes:
            form["scope"] = " ".join(source.scopes)
        if source.audience is not None:
            form["audience"] = source.audience
        secret = self._secret(source)
        pair = f"{quote(source.client_id, safe='')}:{quote(secret.reveal(), safe='')}"
        basic = Secret(base64.b64encode(pair.encode()).decode())
        answer = _ask(source.name, source.token_url, form, basic)
        text, lifetime = answer.get("access_token"), answer.get("expires_in", DEFAULT_LIFETIME_S)
        if not isinstance(text, str) or not text or not isinstance(lifetime, int | float) or lifetime <= 0:
            raise CredentialError(f"credential {source.name!r}: {source.token_url} answered without a usable token")
        # A fifth of the lifetime is kept for trying again, and for calls under way.
        return Token(Secret(text), self._clock() + float(lifetime) * 0.8)


def variable_of(name: str) -> str:
    """``weather-key`` → ``WEATHER_KEY``."""
    return re.sub(r"[^A-Z0-9_]", "_", name.upper())


def _from_file(name: str, path: Path) -> str:
    try:
        if path.stat().st_mode & 0o002:
            raise CredentialError(f"credential {name!r}: anybody may write to {path}; chmod o-w it first")
        with path.open("rb") as file:
            data = file.read(MAX_SECRET + 2)
        return data.decode("utf-8").rstrip("\r\n")
    except OSError as error:
        raise CredentialError(f"credential {name!r}: {path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise CredentialError(f"credential {name!r}: {path} is not UTF-8") from None


def _from_keyring(name: str, entry: str) -> str:
    try:
        import keyring
    except ImportError:
        raise CredentialError(
            f"credential {name!r}: there is no package keyring; install it with: pip install 'mcpkit[keyring]'"
        ) from None
    service, _, user = entry.rpartition("/")
    try:
        text = keyring.get_password(service, user)
    except Exception as error:
        raise CredentialError(f"credential {name!r}: the keyring cannot be read: {type(error).__name__}") from None
    if text is None:
        raise CredentialError(
            f"credential {name!r}: the keyring has no {entry}; put it there with: keyring set {service} {user}"
        )
    return text


def _ask(name: str, url: str, form: dict[str, str], basic: Secret) -> dict[str, Any]:
    import httpx

    headers = {"authorization": f"Basic {basic.reveal()}", "accept": "application/json"}
    try:
        with (
            httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client,
            client.stream("POST", url, data=form, headers=headers) as answer,
        ):
            body = b""
            for piece in answer.iter_bytes():
                body += piece
                if len(body) > MAX_ANSWER:
                    raise CredentialError(f"credential {name!r}: {url} answered with more than {MAX_ANSWER} bytes")
            status = answer.status_code
    except httpx.HTTPError as error:
        raise CredentialError(f"credential {name!r}: {url}: {type(error).__name__}") from None
    try:
        found = msgspec.json.decode(body)
    except msgspec.MsgspecError:
        found = None
    if status != 200 or not isinstance(found, dict):
        said = found.get("error") if isinstance(found, dict) else None
        reason = f" ({said[:64]})" if isinstance(said, str) else ""
        raise CredentialError(f"credential {name!r}: {url} answered {status}{reason}")
    return found
