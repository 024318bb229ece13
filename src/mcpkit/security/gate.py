"""The one place where a request is let in or refused."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Self

from mcpkit.config import security as settings
from mcpkit.core.serve import ACCEPTED
from mcpkit.security import claims as said
from mcpkit.security import metadata
from mcpkit.security.api_keys import PREFIX, KeyRing
from mcpkit.security.certificates import CertificateRules
from mcpkit.security.errors import BadTokenError, Denied, UnavailableError
from mcpkit.security.oauth import ResourceServer
from mcpkit.security.principals import Principal, PrincipalTable
from mcpkit.security.scopes import ScopeRules

if TYPE_CHECKING:
    from mcpkit.core.serve import Exchange

log = logging.getLogger(__name__)

MAX_CREDENTIAL = 16 << 10
"""Bytes of an Authorization header's value that are looked at."""
KEY_SECONDS = 3600.0
"""For how long an API key is remembered by the core."""
CERTIFICATE_SECONDS = 24 * 3600.0
"""For how long a number given to a client certificate stays its own at least."""

_BEARER = re.compile(rb"bearer[ \t]+([A-Za-z0-9._~+/-]+=*)[ \t]*", re.IGNORECASE)


class Granted(NamedTuple):
    """A request that is let in."""

    principal: Principal
    seconds: float
    """For how long the same credential may be let in without asking again; not at all where this is not above 0."""


class Security:
    """Who is let in, and what each may do. Used on one event loop; `close` when done."""

    def __init__(
        self,
        config: settings.Security,
        *,
        name: str | None = None,
        endpoint: str = "/mcp",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`name` is the server's, for people; `endpoint` the path of the MCP endpoint; `clock` what things age by."""
        self._oauth = config.oauth
        self._server = ResourceServer(config.oauth, clock) if config.oauth is not None else None
        self._keys = KeyRing(config.api_keys)
        self._certificates = CertificateRules(config.certificates)
        self._scopes = ScopeRules(config)
        self._table = PrincipalTable(clock)
        self.numbered: Callable[[str, int], None] | None = None
        """Called with a caller's id and number, before the core knows the number."""
        self._judging: dict[bytes, asyncio.Task[Granted]] = {}
        self._answering: set[asyncio.Task[None]] = set()
        self._metadata: bytes | None = None
        self.metadata_paths: tuple[str, ...] = ()
        """Paths at which `public_metadata` is served; none without OAuth."""
        self._lead = "Bearer"
        if config.oauth is not None:
            issuers = [server.issuer for server in config.oauth.authorization_servers]
            self._metadata = metadata.document(config.oauth.resource, issuers, config.required_scopes, name)
            self.metadata_paths = metadata.metadata_paths(config.oauth.resource, endpoint)
            self._lead = f'Bearer resource_metadata="{metadata.metadata_url(config.oauth.resource)}"'

    @classmethod
    def from_config(cls, config: settings.Security, *, name: str | None = None, endpoint: str = "/mcp") -> Self | None:
        """None: everybody is let in."""
        return cls(config, name=name, endpoint=endpoint) if config.enabled else None

    # --- who ---

    async def authorize(self, headers: Callable[[str], list[bytes]]) -> Granted:
        """Who sends a request, by its Authorization header and nothing else. `headers` returns a header's values.

        Raises Denied: 401 without a good credential, 403 without the scopes every request needs, 503 where the
        authorization server cannot be reached.
        """
        token = self._bearer(headers("authorization"))
        if token.startswith(PREFIX):
            return self._by_key(token)
        if self._server is None:
            raise self._invalid("no key that is known here")
        digest = hashlib.sha256(token.encode()).digest()
        task = self._judging.get(digest)
        if task is None:  # many requests with one new token are one question
            task = self._judging[digest] = asyncio.get_running_loop().create_task(self._by_token(token, self._server))
            task.add_done_callback(lambda _: self._judging.pop(digest, None))
            task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    def identify(self, peer: Mapping[str, Any] | None) -> Principal | None:
        """Who a TLS client certificate belongs to (`getpeercert()` of a verified one).

        None: nobody known here, or somebody without the scopes that every request needs; a token may still be shown.
        """
        found = self._certificates.find(peer) if peer else None
        if found is None:
            return None
        name, entry = found
        scopes = self._scopes.expand(entry.scopes)
        if not scopes.issuperset(self._scopes.required):
            log.info("a certificate lets nobody in: %s has not all scopes that every request needs", name)
            return None
        return Principal(f"cert:{name}", scopes)

    def _bearer(self, values: list[bytes]) -> str:
        if not values:
            raise Denied(401, self._challenge(), "a bearer token is needed in the Authorization header")
        if len(values) > 1:
            raise self._invalid("more than one Authorization header")
        found = _BEARER.fullmatch(values[0]) if len(values[0]) <= MAX_CREDENTIAL else None
        if found is None:
            raise self._invalid("the Authorization header is not Bearer and a token")
        return found[1].decode("ascii")

    def _by_key(self, key: str) -> Granted:
        entry = self._keys.find(key)
        if entry is None:
            raise self._invalid("no key that is known here")
        principal = Principal(f"key:{entry.name}", self._scopes.expand(entry.scopes))
        self._require(principal, ())
        return Granted(principal, KEY_SECONDS)

    async def _by_token(self, token: str, server: ResourceServer) -> Granted:
        try:
            found = await server.verify(token)
            principal = Principal(
                said.identity(found.issuer, found.claims),
                self._scopes.expand(said.scopes(found.claims)),
                found.claims,
            )
        except BadTokenError as error:
            raise self._invalid(str(error)) from None
        except UnavailableError as error:
            log.warning("a token could not be checked: %s", error)
            raise Denied(503, None, "the token cannot be checked now; try again") from None
        self._require(principal, ())
        return Granted(principal, found.seconds)

    # --- what for ---

    def scopes_for(self, qualified: str) -> tuple[str, ...]:
        """Scopes that calls of ``module/tool`` need beside those that every request needs."""
        return self._scopes.for_tool(qualified)

    def require(self, principal: Principal | None, qualified: str) -> None:
        """Raises Denied unless `principal` may call ``module/tool``."""
        if principal is None:
            raise Denied(401, self._challenge(), "it is not known who calls: send the credential again")
        self._require(principal, self.scopes_for(qualified))

    def _require(self, principal: Principal, further: tuple[str, ...]) -> None:
        needed = tuple(dict.fromkeys((*self._scopes.required, *further)))
        if principal.scopes.issuperset(needed):
            return
        message = "more scopes are needed: " + " ".join(needed)
        raise Denied(403, self._challenge("insufficient_scope", needed), message, "insufficient_scope")

    # --- numbers, as the core knows callers ---

    def principal_number(self, principal: Principal, seconds: float = CERTIFICATE_SECONDS) -> int:
        """The number that stands for this principal for `seconds` at least. Raises Denied (503) when all are in use."""
        number = self._table.number(principal, max(seconds, 0.0))
        if number is None:
            log.warning("a caller was refused: %d others are in use", len(self._table))
            raise Denied(503, None, "too many callers; try again later")
        if self.numbered is not None:
            self.numbered(principal.id, number)
        return number

    def principal(self, number: int) -> Principal | None:
        """Who a number stands for; None: nobody, or not any more."""
        return self._table.principal(number)

    def caller(self, number: int) -> str:
        """The id of whoever a number stands for, the same in every process; empty for nobody."""
        principal = self._table.principal(number)
        return principal.id if principal is not None else ""

    # --- answers ---

    def public_metadata(self) -> bytes | None:
        """The document for clients (RFC 9728) as JSON text; None without OAuth."""
        return self._metadata

    def answer(self, exchange: Exchange) -> None:
        """Answer the core's question who sends a request, soon, on the running loop."""
        task = asyncio.get_running_loop().create_task(self._answer(exchange))
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)
        exchange.on_gone = lambda: _cancel(task)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            granted = await self.authorize(exchange.header)
            number = self.principal_number(granted.principal, granted.seconds)
        except Denied as denied:
            log.info("refused with %d: %s", denied.status, denied.message)
            exchange.reply(refusal(denied))
        except Exception as error:
            # Only its kind: what an unforeseen error says may hold what was being looked at.
            log.error("a credential could not be checked: %s", type(error).__name__)
            exchange.reply(refusal(Denied(503, None, "the credential cannot be checked now; try again")))
        else:
            exchange.authorized(number, granted.seconds)

    async def close(self) -> None:
        """End what is under way and close connections to authorization servers."""
        for task in (*self._answering, *self._judging.values()):
            task.cancel()
        if self._server is not None:
            await self._server.close()

    def _invalid(self, message: str) -> Denied:
        return Denied(401, self._challenge("invalid_token", description=message), message, "invalid_token")

    def _challenge(self, error: str | None = None, needed: tuple[str, ...] = (), description: str | None = None) -> str:
        pieces = [] if error is None else [f'error="{error}"']
        if description is not None:
            pieces.append(f'error_description="{description}"')
        scopes = needed or self._scopes.required
        if scopes:
            pieces.append(f'scope="{" ".join(scopes)}"')
        lead, _, first = self._lead.partition(" ")
        return f"{lead} {', '.join(filter(None, [*pieces, first]))}" if pieces or first else lead


def refusal(denied: Denied) -> tuple[int, int, bytes, None, None, bytes]:
    """A refusal as an answer for the core."""
    fields = "\r\n".join(f"{name}: {value}" for name, value in denied.headers)
    return ACCEPTED, denied.status, denied.body, None, None, fields.encode("ascii")


def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()


def _retrieve(task: asyncio.Task[Granted]) -> None:
    """Whoever waited may be gone; then nobody else looks at the outcome."""
    if not task.cancelled():
        task.exception()
