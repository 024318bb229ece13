"""A client that does not read what it is sent costs a bounded amount of memory, then it is cut off. # C09"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from servers import Connection, http, modern, modern_headers
from transports import configured

CHATTER = """
import asyncio, logging, sys
import mcpkit
from mcpkit import Context

logging.basicConfig(level=logging.INFO)

server = mcpkit.Server("chatter", config=sys.argv[1])

@server.tool
async def chatter(count: int, ctx: Context) -> str:
    "Reports more progress than anybody reads."
    for i in range(count):
        ctx.progress(i + 1, message="x" * 1000)
        if i % 10 == 0:
            await asyncio.sleep(0)
    return "all was said"

server.run()
"""


def call(count: int) -> Any:
    return modern("tools/call", {"name": "chatter", "arguments": {"count": count}}, meta={"progressToken": "p"})


FAR_TOO_MUCH, A_LITTLE = 30_000, 100
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def by_stream(connection: Connection, count: int = FAR_TOO_MUCH) -> None:
    connection.send(http(call(count), modern_headers("tools/call", "chatter")))


def by_websocket(connection: Connection) -> None:
    connection.send(http(b"", UPGRADE, method="GET", path="/ws"))
    assert connection.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
    text = json.dumps(call(FAR_TOO_MUCH)).encode()
    connection.send(bytes([0x81, 0x80 | 126]) + len(text).to_bytes(2) + bytes(4) + text)


def by_other_routes(connection: Connection) -> None:
    connection.send(http(b"", method="GET", path="/health"))
    assert connection.receive().status == 200
    by_stream(connection)


@pytest.mark.parametrize("way", [by_stream, by_websocket, by_other_routes])
def test_who_does_not_read_is_cut_off(way: Callable[[Connection], None]) -> None:
    settings = {"max_outgoing": "256Ki", "access_log": True}
    with configured({"type": "websocket", "settings": settings}, CHATTER) as server, server.connect() as connection:
        way(connection)
        # Nothing is read until the server has ended it.
        for _ in range(1000):
            if server.lines("POST /mcp") or server.lines("GET /ws"):
                break
            time.sleep(0.02)
        received = bytearray()
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.socket.recv(1 << 20):
                received += piece
        assert b"all was said" not in received
        with server.connect() as other:
            by_stream(other, A_LITTLE)
            other.read_until(b"all was said")


def test_who_reads_gets_all() -> None:
    with configured({"type": "http"}, CHATTER) as server, server.connect() as connection:
        by_stream(connection, A_LITTLE)
        connection.read_until(b"all was said")
