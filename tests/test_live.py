"""A client that wants to hears of a running WebAssembly call: units as progress, stderr as logs. # N03 A17 A38"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import guests
from servers import ADD_WAT, Connection, HttpServer, http, http_server, legacy, modern, modern_headers
from test_stdio import Session


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    module = tmp_path_factory.mktemp("guest") / "add.wat"
    module.write_text(ADD_WAT)
    with http_server(str(module), str(guests.build("chatty")), "--max-compute-units", "600_000_000") as running:
        yield running


def events(connection: Connection) -> list[Any]:
    """Every message of one streamed answer."""
    head = connection.read_until(b"\r\n\r\n").lower()
    assert b"content-type: text/event-stream" in head
    text = b""
    while size := int(connection.read_until(b"\r\n"), 16):
        while len(connection.buffer) < size + 2:
            connection.buffer += connection.socket.recv(65536)
        text += connection.buffer[:size]
        connection.buffer = connection.buffer[size + 2 :]
    connection.read_until(b"\r\n")
    return [json.loads(line[6:]) for line in text.decode().splitlines() if line.startswith("data: {")]


def spinning(messages: list[Any], token: Any) -> None:
    *reports, answer = messages
    units = [report["params"]["progress"] for report in reports]
    assert units == sorted(set(units))
    assert len(units) >= 2
    for report in reports:
        assert report["method"] == "notifications/progress"
        assert report["params"]["progressToken"] == token
        assert report["params"]["total"] == 600_000_000
        assert report["params"]["message"].startswith("⚡ ")
    usage = answer["result"]["_meta"]["io.mcpkit/usage"]
    assert units[-1] <= usage["computeUnits"] == 600_000_000


def test_progress_over_http(server: HttpServer) -> None:
    spin = {"name": "spin", "arguments": {"n": 1}}
    with server.connect() as connection:
        connection.send(
            http(modern("tools/call", spin, meta={"progressToken": "p"}), modern_headers("tools/call", "spin"))
        )
        spinning(events(connection), "p")
        connection.send(
            http(
                legacy("tools/call", {**spin, "_meta": {"progressToken": 7}}, id=3),
                {"Mcp-Session-Id": server.session()},
            )
        )
        spinning(events(connection), 7)


def test_a_short_call_is_answered_as_plain_json_all_the_same(server: HttpServer) -> None:
    answer = server.call("add", {"a": 1, "b": 2}, meta={"progressToken": "p"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["result"]["structuredContent"] == {"result": 3}


def test_diagnostics_are_log_messages_for_those_who_asked(server: HttpServer) -> None:
    call = {"name": "chatty", "arguments": {}}
    with server.connect() as connection:
        connection.send(
            http(
                modern("tools/call", call, meta={"io.modelcontextprotocol/logLevel": "info"}),
                modern_headers("tools/call", "chatty"),
            )
        )
        *logs, answer = events(connection)
    assert [log["params"]["data"] for log in logs] == ["first line", "second line"]
    assert {(log["method"], log["params"]["level"], log["params"]["logger"]) for log in logs} == {
        ("notifications/message", "info", "chatty")
    }
    assert answer["result"]["isError"] is False
    quiet = server.call("chatty", {})
    assert quiet.headers["content-type"] == "application/json"


def test_progress_over_stdio(tmp_path: Path) -> None:
    module = tmp_path / "add.wat"
    module.write_text(ADD_WAT)
    session = Session(str(module), "--max-compute-units", "600_000_000")
    session.send(modern("tools/call", {"name": "spin", "arguments": {"n": 1}}, id="s", meta={"progressToken": 1}))
    messages = [session.receive()]
    while "id" not in messages[-1]:
        messages.append(session.receive())
    spinning(messages, 1)
    assert session.ask(modern("tools/call", {"name": "add", "arguments": {"a": 1, "b": 1}}))["result"]
    assert session.process.stdin
    assert session.process.stdout
    session.process.stdin.close()
    assert session.process.wait(20) == 0
    session.process.stdout.close()
