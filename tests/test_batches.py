"""Revision 2025-03-26 alone had batches: several messages in one array, the answers in one array. # N07"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers import ADD_WAT, HttpServer, http_server, initialize, legacy
from test_stdio import Session

BATCH: list[Any] = [
    legacy("ping", id="p"),
    legacy("tools/list", id=2),
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
    legacy("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}, id=2**70),
    legacy("tools/call", {"name": "nothing"}, id=4),
    legacy("nonsense", id=5),
    {"jsonrpc": "2.0", "id": 6, "method": 7},
    initialize(id=8),
    {"jsonrpc": "2.0", "id": 9, "result": {}},
]


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("guest") / "add.wat"
    path.write_text(ADD_WAT)
    return path


@pytest.fixture(scope="module")
def server(module: Path) -> Iterator[HttpServer]:
    with http_server(str(module)) as running:
        yield running


def check(answers: list[Any]) -> None:
    by_id = {answer["id"]: answer for answer in answers}
    assert set(by_id) == {"p", 2, 2**70, 4, 5, 6, 8}
    assert by_id["p"]["result"] == {}
    assert [tool["name"] for tool in by_id[2]["result"]["tools"]] == ["add", "spin"]
    assert by_id[2**70]["result"]["structuredContent"] == {"result": 3}
    codes = {number: by_id[number]["error"]["code"] for number in (4, 5, 6, 8)}
    assert codes == {4: -32602, 5: -32601, 6: -32600, 8: -32600}


def test_over_http(server: HttpServer) -> None:
    headers: dict[str, str | None] = {"Mcp-Session-Id": server.session("2025-03-26")}
    answer = server.ask(BATCH, headers)
    assert answer.status == 200
    check(answer.json)
    check(server.ask(BATCH, headers | {"MCP-Protocol-Version": "2025-03-26"}).json)
    notified = server.ask([{"jsonrpc": "2.0", "method": "notifications/initialized"}], headers)
    assert (notified.status, notified.body) == (202, b"")


def test_over_stdio(module: Path) -> None:
    session = Session(str(module))
    assert session.ask(initialize("2025-03-26"))["result"]["protocolVersion"] == "2025-03-26"
    session.send(BATCH)
    check(session.receive())
    assert session.process.stdin
    assert session.process.stdout
    session.process.stdin.close()
    assert session.process.wait(20) == 0
    session.process.stdout.close()


@pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25"])
def test_other_revisions_refuse_them(server: HttpServer, version: str) -> None:
    answer = server.ask(BATCH, {"Mcp-Session-Id": server.session(version)})
    assert (answer.status, answer.json["error"]["code"]) == (400, -32600)
    assert "2025-03-26" in answer.json["error"]["message"]


def test_a_batch_without_a_session(server: HttpServer) -> None:
    assert server.ask(json.dumps(BATCH).encode()).status == 400
