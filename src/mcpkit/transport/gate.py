"""How many connections there may be: one too many is told so and closed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from mcpkit.core.serve import HttpProtocol

GOODBYE_SECONDS = 2.0
_BODY = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"too many connections; try again later"}}'
REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\nconnection: close\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(_BODY)
) + _BODY


class Gate:
    """Makes the protocol objects of new connections. `present` counts the connections there are."""

    def __init__(self, protocol: Callable[[], HttpProtocol], limit: int, present: Callable[[], int]) -> None:
        self._protocol = protocol
        self._limit = limit
        self._present = present
        self.refused: set[_Refused] = set()

    def __call__(self) -> HttpProtocol | _Refused:
        if self._present() < self._limit:
            return self._protocol()
        return _Refused(self)

    @property
    def is_crowded(self) -> bool:
        """Whether even those who are being sent away are too many."""
        return len(self.refused) >= self._limit


class _Refused(asyncio.Protocol):
    """Answers 503 whatever comes. Waits a little for the peer to close, so that the answer is not lost in a reset."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        if self._gate.is_crowded:
            transport.abort()
            return
        self._gate.refused.add(self)
        transport.write(REFUSAL)
        if transport.can_write_eof():
            transport.write_eof()
            self._timer = asyncio.get_running_loop().call_later(GOODBYE_SECONDS, transport.abort)
        else:
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._gate.refused.discard(self)
        if self._timer is not None:
            self._timer.cancel()
