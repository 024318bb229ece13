"""WebSocket beside HTTP: both eras, limits, and who may open one. # C07 E05"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from mcpkit.security.api_keys import new_key
from servers import MODERN, http, initialize, legacy, modern
from transports import ENDLESS_CALL, Running, configured

CALL = {"name": "add", "arguments": {"a": 2, "b": 3}}


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    settings = {"max_body_size": "64Ki", "max_outgoing": "256Ki", "allowed_origins": ["https://app.example"]}
    with configured({"type": "websocket", "settings": settings}) as running:
        yield running


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 30))


def open_socket(server: Running, path: str = "/ws", **more: Any) -> connect:
    return connect(f"ws://127.0.0.1:{server.port}{path}", proxy=None, **more)


async def ask(connection: ClientConnection, message: Any) -> Any:
    await connection.send(json.dumps(message))
    return json.loads(await connection.recv())


@pytest.mark.parametrize("path", ["/ws", "/mcp"])
def test_both_eras_share_a_connection(server: Running, path: str) -> None:
    async def main() -> None:
        async with open_socket(server, path, subprotocols=["mcp"]) as connection:
            assert connection.subprotocol == "mcp"
            found = await ask(connection, modern("server/discover"))
            assert found["result"]["supportedVersions"] == [MODERN]
            answer = await ask(connection, modern("tools/call", CALL, id="x"))
            assert (answer["id"], answer["result"]["structuredContent"]) == ("x", {"result": 5})
            refused = await ask(connection, legacy("tools/list"))
            assert "initialize" in refused["error"]["message"]
            opened = await ask(connection, initialize())
            assert opened["result"]["protocolVersion"] == "2025-11-25"
            await connection.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            assert (await ask(connection, legacy("tools/call", CALL)))["result"]["structuredContent"] == {"result": 5}

    run(main())


def test_what_one_client_negotiated_is_nobody_elses(server: Running) -> None:
    async def main() -> None:
        async with open_socket(server) as first, open_socket(server) as second:
            await ask(first, initialize())
            assert "error" in await ask(second, legacy("tools/list"))

    run(main())


def test_a_broken_message_is_answered_and_the_connection_goes_on(server: Running) -> None:
    async def main() -> None:
        async with open_socket(server) as connection:
            await connection.send("{")
            assert json.loads(await connection.recv())["error"]["code"] == -32700
            assert "result" in await ask(connection, modern("tools/call", CALL))

    run(main())


def test_a_long_call_can_be_cancelled_and_does_not_hold_up_others(server: Running) -> None:
    async def main() -> None:
        async with open_socket(server) as connection:
            await ask(connection, initialize())
            await connection.send(json.dumps(legacy("tools/call", ENDLESS_CALL, id="long")))
            assert (await ask(connection, legacy("tools/call", CALL, id="short")))["id"] == "short"
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "long"}}
            await connection.send(json.dumps(cancel))
            assert (await ask(connection, legacy("ping", id="last")))["id"] == "last"

    run(main())


def test_calls_of_a_client_that_went_away_are_cancelled(server: Running) -> None:
    async def main() -> None:
        for _ in range(8):
            async with open_socket(server) as connection:
                await connection.send(json.dumps(modern("tools/call", ENDLESS_CALL)))
        async with open_socket(server) as connection:
            assert "result" in await ask(connection, modern("tools/call", CALL))

    run(main())


def test_binary_messages_are_not_json_rpc(server: Running) -> None:
    async def main() -> None:
        async with open_socket(server) as connection:
            await connection.send(b"{}")
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1003

    run(main())


def test_a_message_past_the_limit_ends_the_connection(server: Running) -> None:
    async def main() -> None:
        async with open_socket(server) as connection:
            await connection.send("[" + " " * (80 << 10) + "]")
            with pytest.raises(ConnectionClosed) as closed:
                await connection.recv()
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1009

    run(main())


@pytest.mark.parametrize(("origin", "status"), [("https://evil.example", 403), ("null", 403)])
def test_pages_of_other_origins_are_refused(server: Running, origin: str, status: int) -> None:
    async def main() -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with open_socket(server, origin=origin):
                pass
        assert refused.value.response.status_code == status

    run(main())


def test_allowed_origins_are_let_in(server: Running) -> None:
    async def main() -> None:
        for origin in ("https://app.example", f"http://127.0.0.1:{server.port}"):
            async with open_socket(server, origin=origin) as connection:
                assert "result" in await ask(connection, modern("tools/call", CALL))

    run(main())


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def test_a_connection_that_was_let_in_once_is_checked_again(server: Running) -> None:
    for headers, status in (({"Host": "evil.example"}, 421), ({"Origin": "https://evil.example"}, 403)):
        for path in ("/ws", "/health"):
            with server.connect() as connection:
                connection.send(http(b"", method="GET", path="/health"))
                assert connection.receive().status == 200
                connection.send(http(b"", {**UPGRADE, **headers}, method="GET", path=path))
                assert connection.receive().status == status, (path, headers)


def test_the_mcp_path_still_answers_http(server: Running) -> None:
    with server.connect() as connection:
        connection.send(http(initialize()))
        assert connection.receive().status == 200
        connection.send(http(b"", method="GET", path="/nothing"))
        assert connection.receive().status == 404


def test_there_is_no_websocket_elsewhere(server: Running) -> None:
    async def main() -> None:
        with pytest.raises(InvalidStatus) as refused:
            async with open_socket(server, "/health"):
                pass
        assert refused.value.response.status_code == 404

    run(main())


def test_a_client_that_does_not_answer_pings_is_gone() -> None:
    settings = {"ping_interval": "100ms", "ping_timeout": "100ms"}
    with configured({"type": "web_socket", "settings": settings}) as server, server.connect() as connection:
        connection.send(http(b"", UPGRADE, method="GET", path="/ws"))
        assert connection.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        received = b"".join(iter(lambda: connection.socket.recv(65536), b""))
        assert received.startswith(b"\x89")  # a ping came first


def test_a_client_that_does_not_read_is_not_read_either(server: Running) -> None:
    request = json.dumps(modern("tools/list")).encode()
    head = bytes([0x81, 0x80 | 126]) + len(request).to_bytes(2) + bytes(4)
    with server.connect() as connection:
        connection.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.send(http(b"", UPGRADE, method="GET", path="/ws"))
        assert connection.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101")
        connection.socket.settimeout(1)
        flood = itertools.repeat(head + request, 100_000)
        with pytest.raises((TimeoutError, ConnectionError)):
            connection.socket.sendall(b"".join(flood))
    with server.connect() as connection:
        connection.send(http(initialize()))
        assert connection.receive().status == 200


def test_http_servers_offer_no_websocket_unless_asked() -> None:
    with configured({"type": "http"}) as server:
        for path in ("/ws", "/mcp"):
            with server.connect() as connection:
                connection.send(http(b"", UPGRADE, method="GET", path=path))
                assert connection.receive().status in {400, 404}


# --- who may ---


def test_a_handshake_needs_the_credential_that_requests_need() -> None:
    made = new_key()
    security = {"api_keys": [{"name": "robot", "hash": made.hash, "scopes": ["use"]}], "required_scopes": ["use"]}

    async def main(server: Running) -> None:
        async with open_socket(server, additional_headers={"Authorization": f"Bearer {made.key}"}) as connection:
            assert (await ask(connection, modern("tools/call", CALL)))["result"]["structuredContent"] == {"result": 5}
        for headers in ({}, {"Authorization": "Bearer mcpkit_wrong"}):
            with pytest.raises(InvalidStatus) as refused:
                async with open_socket(server, additional_headers=headers):
                    pass
            assert refused.value.response.status_code == 401
            assert "Bearer" in refused.value.response.headers["www-authenticate"]

    settings = {"access_log": True, "legacy_sse": True}
    with configured({"type": "websocket", "settings": settings}, security=security) as server:
        run(main(server))
        with server.connect() as connection:
            connection.send(http(b"", method="GET", path="/sse"))
            assert connection.receive().status == 401
        assert made.key not in server.log.read_text()
        assert "wrong" not in server.log.read_text()
