"""Who calls, where the core does not ask: by TLS certificate, and on connections that were handed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from mcpkit.application import Application

if TYPE_CHECKING:
    from starlette.types import Scope

    from mcpkit.security import Denied, Granted

NO_LONGER_WELCOME = 1008
LEAST_SECONDS = 1.0
"""Between two questions about one credential."""


class Caller(NamedTuple):
    """Somebody who was let in: the core's number, and how to ask again once the answer has aged."""

    number: int
    seconds: float = 0.0
    again: Callable[[], asyncio.Future[Granted]] | None = None

    async def until_refused(self) -> int:
        """Returns, with the code to close with, when the credential is no longer good."""
        from mcpkit.security import Denied

        seconds = self.seconds
        while self.again is not None:
            await asyncio.sleep(max(seconds, LEAST_SECONDS))
            try:
                seconds = (await self.again()).seconds
            except Denied:
                return NO_LONGER_WELCOME
        await asyncio.Event().wait()
        return NO_LONGER_WELCOME


class Identity:
    """Asks the application's security, if it has one."""

    def __init__(self, app: Application) -> None:
        self._security = app.security

    def of_connection(self, transport: asyncio.Transport) -> int:
        """The number of whom the peer's certificate belongs to; 0: nobody known."""
        from mcpkit.security import Denied

        security = self._security
        peer = transport.get_extra_info("peercert") if security is not None else None
        if security is None or not peer:
            return 0
        principal = security.identify(peer)
        try:
            return security.principal_number(principal) if principal is not None else 0
        except Denied:
            return 0

    async def find(self, scope: Scope) -> Caller | Denied:
        """Who sends an ASGI request, or why it is refused."""
        security = self._security
        if security is None:
            return Caller(0)
        carrier: asyncio.Transport | None = (scope.get("state") or {}).get("mcpkit.transport")
        known = self.of_connection(carrier) if carrier is not None else 0
        if known:
            return Caller(known)
        from mcpkit.security import Denied

        def values(name: str) -> list[bytes]:
            wanted = name.lower().encode()
            return [value for key, value in scope["headers"] if key.lower() == wanted]

        def ask() -> asyncio.Future[Granted]:
            return asyncio.ensure_future(security.authorize(values))

        try:
            granted = await ask()
            number = security.principal_number(granted.principal, granted.seconds)
        except Denied as denied:
            return denied
        return Caller(number, granted.seconds, ask)
