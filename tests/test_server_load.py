"""Many at once, and clients that misbehave: nobody else notices. # A21 A22 N02"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import ADD_WAT, HttpServer, http, http_server, legacy, modern, modern_headers


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    module = tmp_path_factory.mktemp("guest") / "add.wat"
    module.write_text(ADD_WAT)
    with http_server(str(module), "--max-compute-units", "1_000_000_000_000") as running:
        yield running


def call(name: str, **arguments: int) -> bytes:
    return http(modern("tools/call", {"name": name, "arguments": arguments}), modern_headers("tools/call", name))


def test_two_hundred_connections_at_once(server: HttpServer) -> None:
    connections = [server.connect() for _ in range(200)]
    for round_ in range(5):
        for i, connection in enumerate(connections):
            connection.send(call("add", a=i, b=round_))
        for i, connection in enumerate(connections):
            assert connection.receive().json["result"]["structuredContent"] == {"result": i + round_}
    for connection in connections:
        connection.close()


def test_small_calls_are_served_beside_spinning_ones(server: HttpServer) -> None:
    spinners = [server.connect() for _ in range(3)]
    for connection in spinners:
        connection.send(call("spin", n=1))
    for i in range(50):
        assert server.call("add", {"a": i, "b": i}).json["result"]["structuredContent"] == {"result": 2 * i}
    for connection in spinners:
        connection.close()


def test_a_modern_client_that_disconnects_cancels(server: HttpServer) -> None:
    """More abandoned calls than there are instances: were they still running, nothing could be served after them."""
    for _ in range(4):
        connections = [server.connect() for _ in range(100)]
        for connection in connections:
            connection.send(call("spin", n=1))
        for connection in connections:
            connection.close()
    with server.connect() as connection:
        connection.send(call("add", a=1, b=2))
        assert connection.receive().json["result"]["structuredContent"] == {"result": 3}


def test_a_legacy_call_is_cancelled_by_its_notification(server: HttpServer) -> None:
    headers: dict[str, str | None] = {"Mcp-Session-Id": server.session()}
    stranger: dict[str, str | None] = {"Mcp-Session-Id": server.session()}
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    with server.connect() as connection:
        connection.send(http(legacy("tools/call", {"name": "spin", "arguments": {"n": 1}}, id=7), headers))
        assert server.ask(legacy("ping"), headers).status == 200
        assert server.ask(cancel, stranger).status == 202  # somebody else's request 7: nothing happens to ours
        assert server.ask(cancel, headers).status == 202
        answer = connection.receive()
    assert answer.json["id"] == 7
    assert "cancelled" in answer.json["error"]["message"]


def test_requests_behind_a_running_call_wait_their_turn(tmp_path: Path) -> None:
    module = tmp_path / "add.wat"
    module.write_text(ADD_WAT)
    with http_server(str(module), "--max-compute-units", "50_000_000") as server, server.connect() as connection:
        connection.send(call("spin", n=1) + call("add", a=1, b=2))
        first, second = connection.receive(), connection.receive()
        assert first.json["result"]["_meta"]["io.mcpkit/error"]["kind"] == "out_of_units"
        assert first.json["result"]["_meta"]["io.mcpkit/usage"]["computeUnits"] >= 50_000_000
        assert second.json["result"]["structuredContent"] == {"result": 3}


def test_a_client_that_never_reads(server: HttpServer) -> None:
    """Its answers pile up only so far: the server stops reading from it and serves the others."""
    with server.connect() as deaf:
        deaf.socket.settimeout(0.5)
        request = call("add", a=1, b=1) * 200
        try:
            for _ in range(400):
                deaf.send(request)
        except TimeoutError:
            pass
        assert server.call("add", {"a": 1, "b": 1}).status == 200
