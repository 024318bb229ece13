"""Every row of the HTTP status and error table, on the wire, both eras on one endpoint. # C05 C06 N07"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from servers import (
    ADD_WAT,
    BOTH,
    LEGACY,
    MODERN,
    HttpServer,
    Response,
    http,
    http_server,
    initialize,
    legacy,
    modern,
    modern_headers,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    module = tmp_path_factory.mktemp("guest") / "add.wat"
    module.write_text(ADD_WAT)
    with http_server(str(module)) as running:
        yield running


CALL = {"name": "add", "arguments": {"a": 2, "b": 3}}


def code(answer: Response) -> int:
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["jsonrpc"] == "2.0"
    return int(answer.json["error"]["code"])


# --- what both eras share ---


@pytest.mark.parametrize(
    "accept", ["application/json", "text/event-stream", None, "text/html", "application/json;q=0, text/event-stream"]
)
def test_accept_must_admit_both_types(server: HttpServer, accept: str | None) -> None:
    answer = server.ask(modern("tools/call", CALL), modern_headers("tools/call", "add") | {"Accept": accept})
    assert answer.status == 406
    assert "text/event-stream" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "accept", ["*/*", "text/event-stream, application/json", "application/*, text/*", BOTH + ";q=0.5"]
)
def test_accept_with_wildcards(server: HttpServer, accept: str) -> None:
    assert (
        server.ask(modern("tools/call", CALL), modern_headers("tools/call", "add") | {"Accept": accept}).status == 200
    )


@pytest.mark.parametrize("kind", ["text/plain", None, "application/jsonx", "application/x-www-form-urlencoded"])
def test_content_type(server: HttpServer, kind: str | None) -> None:
    assert (
        server.ask(modern("tools/call", CALL), modern_headers("tools/call", "add") | {"Content-Type": kind}).status
        == 415
    )


def test_content_type_may_carry_a_charset(server: HttpServer) -> None:
    headers = modern_headers("tools/call", "add") | {"Content-Type": "Application/JSON; charset=utf-8"}
    assert server.ask(modern("tools/call", CALL), headers).status == 200


def test_encoded_bodies_are_refused(server: HttpServer) -> None:
    assert server.ask(initialize(), {"Content-Encoding": "gzip"}).status == 415


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.evil.example", "localhost.evil", ""])
def test_foreign_host_is_misdirected(server: HttpServer, host: str) -> None:
    with server.connect() as connection:
        connection.send(http(initialize(), {"Host": host}))
        assert connection.receive().status in {400, 421}
        assert connection.at_end()


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1234", "127.0.0.1:3000", "[::1]:3000"])
def test_own_hosts(server: HttpServer, host: str) -> None:
    assert server.ask(initialize(), {"Host": host}).status == 200


@pytest.mark.parametrize("origin", ["http://evil.example.com", "null", "file://", "http://127.0.0.1.evil.example"])
def test_foreign_origin_is_forbidden(server: HttpServer, origin: str) -> None:
    assert server.ask(initialize(), {"Origin": origin}).status == 403


def test_local_origin(server: HttpServer) -> None:
    assert server.ask(initialize(), {"Origin": "http://localhost:8080"}).status == 200


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"', -32700),
        (b'\xff{"jsonrpc":"2.0"}', -32700),
        (b'{"jsonrpc":"2.0","id":1,"method":"\xc3\x28"}', -32700),
        (b"", -32700),
        (b"1", -32600),
        (b'"ping"', -32600),
        (b"[]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', -32600),
        (b'{"id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":7}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}', -32600),
        (b"[" * 1000 + b"]" * 1000, -32700),
    ],
)
def test_broken_messages(server: HttpServer, body: bytes, expected: int) -> None:
    for headers in ({}, modern_headers("ping")):
        answer = server.ask(body, headers)
        assert (answer.status, code(answer)) == (400, expected), answer.body


def test_a_refusal_names_the_request_where_it_can(server: HttpServer) -> None:
    answer = server.ask(b'{"jsonrpc":"2.0","id":"seven","method":"ping","params":3}', {})
    assert answer.json["id"] == "seven"
    assert server.ask(b"{", {}).json["id"] is None


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "OPTIONS", "BREW"])
def test_methods_that_are_not_served(server: HttpServer, method: str) -> None:
    for headers, allow in (({}, "GET, POST, DELETE"), ({"MCP-Protocol-Version": MODERN}, "POST")):
        answer = server.ask(b"", headers, method=method)
        assert (answer.status, answer.headers["allow"]) == (405, allow)


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_modern_endpoint_takes_post_alone(server: HttpServer, method: str) -> None:
    answer = server.ask(b"", {"MCP-Protocol-Version": MODERN}, method=method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


def test_get_needs_a_session_and_the_right_accept(server: HttpServer) -> None:
    assert server.ask(b"", {"Accept": "application/json"}, method="GET").status == 406
    assert server.ask(b"", method="GET").status == 400
    assert server.ask(b"", {"Mcp-Session-Id": "0" * 32}, method="GET").status == 404
    listening = server.ask(b"", {"Mcp-Session-Id": server.session()}, method="GET")
    assert (listening.status, listening.headers["content-type"]) == (200, "text/event-stream")


# --- framing ---

BAD_HEADS = {
    "two lengths": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "length and chunked": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"POST /mcp HTTP/1.1\nHost: localhost\nContent-Length: 2\n\n{}",
    "folded": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\n 2\r\nContent-Length: 2\r\n\r\n{}",
    "space before colon": b"POST /mcp HTTP/1.1\r\nHost : localhost\r\nContent-Length: 2\r\n\r\n{}",
    "two hosts": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
    "no host": b"POST /mcp HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
    "signed length": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: +2\r\n\r\n{}",
    "chunk size": b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n",
    "nul": b"POST /mcp HTTP/1.1\r\nHost: local\0host\r\nContent-Length: 2\r\n\r\n{}",
    "not http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD_HEADS)
def test_ambiguous_framing_is_refused_and_the_next_connection_unaffected(server: HttpServer, name: str) -> None:
    with server.connect() as connection:
        connection.send(BAD_HEADS[name])
        answer = connection.receive()
        assert answer.status == 400
        assert answer.json["error"]["message"]
        assert answer.headers["connection"] == "close"
        assert connection.at_end()
    assert server.call("add", {"a": 1, "b": 1}).status == 200


def test_oversize_heads_bodies_and_targets(server: HttpServer) -> None:
    for request, status in (
        (http(initialize(), {"X-Long": "a" * 20000}), 431),
        (http(initialize(), {f"X-{i}": "a" for i in range(150)}), 431),
        (http(initialize(), path="/mcp?" + "a" * 9000), 414),
        (http(b"", {"Content-Length": str(1 << 40)}), 413),
        (http(b"", {"Content-Length": "9" * 40}), 413),
        (b"POST /mcp HTTP/3.0\r\nHost: localhost\r\n\r\n", 505),
        (http(initialize(), {"Expect": "200-maybe"}), 417),
    ):
        with server.connect() as connection:
            connection.send(request)
            assert connection.receive().status == status
            assert connection.at_end()


def test_a_chunked_body_past_the_limit(server: HttpServer) -> None:
    with server.connect() as connection:
        connection.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(100):
                connection.send(b"10000\r\n" + b" " * 65536 + b"\r\n")
        except OSError:
            pass
        assert connection.receive().status == 413


def test_chunked_continue_pipelined_and_trickled_requests(server: HttpServer) -> None:
    body = http(modern("tools/call", CALL), modern_headers("tools/call", "add"))
    head, _, data = body.partition(b"\r\n\r\n")
    kept = b"\r\n".join(line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length"))
    with server.connect() as connection:
        for byte in (kept + b"\r\nTransfer-Encoding: chunked\r\n\r\n").decode():
            connection.send(byte.encode())
        half = len(data) // 2
        connection.send(b"%x\r\n%s\r\n" % (half, data[:half]))
        connection.send(b"%X;ext=1\r\n%s\r\n0\r\nTrailer: x\r\n\r\n" % (len(data) - half, data[half:]) + body)
        assert [connection.receive().json["result"]["structuredContent"] for _ in range(2)] == [{"result": 5}] * 2
        connection.send(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert connection.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        connection.send(data)
        assert connection.receive().status == 200
        connection.send(body * 50)
        assert {connection.receive().status for _ in range(50)} == {200}


def test_connection_close_is_honoured(server: HttpServer) -> None:
    with server.connect() as connection:
        connection.send(http(initialize(), {"Connection": "close"}))
        assert connection.receive().headers["connection"] == "close"
        assert connection.at_end()


# --- revision 2026-07-28 ---


def test_a_modern_call(server: HttpServer) -> None:
    answer = server.call("add", {"a": 40, "b": 2}, id="x")
    assert answer.status == 200
    result = answer.json["result"]
    assert answer.json["id"] == "x"
    assert result["resultType"] == "complete"
    assert result["structuredContent"] == {"result": 42}
    assert result["content"] == [{"type": "text", "text": '{"result":42}'}]
    assert result["isError"] is False
    assert result["_meta"]["io.mcpkit/usage"]["computeUnits"] > 0
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"]


@pytest.mark.parametrize("identifier", [0, -1, 2**63, 2**64 + 1, -(2**80), "", "ü✓", 'quote"', "\\u0041"])
def test_ids_come_back_byte_for_byte(server: HttpServer, identifier: Any) -> None:
    assert server.call("add", {"a": 1, "b": 2}, id=identifier).json["id"] == identifier


def test_discover_and_list(server: HttpServer) -> None:
    found = server.ask(modern("server/discover"), modern_headers("server/discover")).json["result"]
    assert found["supportedVersions"] == [MODERN]
    assert set(found["capabilities"]) == {"tools"}
    assert found["ttlMs"] >= 0
    assert found["cacheScope"] in {"public", "private"}
    tools = server.ask(modern("tools/list"), modern_headers("tools/list")).json["result"]
    assert [tool["name"] for tool in tools["tools"]] == ["add", "spin"]
    assert tools["resultType"] == "complete"
    assert tools["tools"][0]["inputSchema"]["type"] == "object"


def test_cursors(server: HttpServer) -> None:
    assert server.ask(modern("tools/list", {"cursor": ""}), modern_headers("tools/list")).status == 200
    answer = server.ask(modern("tools/list", {"cursor": "nonsense"}), modern_headers("tools/list"))
    assert code(answer) == -32602


@pytest.mark.parametrize(
    "params",
    [
        None,
        {},
        {"_meta": 1},
        {"_meta": {}},
        {"_meta": {"io.modelcontextprotocol/protocolVersion": MODERN}},
        {"_meta": {"io.modelcontextprotocol/clientCapabilities": {}}},
        {
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": [],
            }
        },
        {"_meta": {"io.modelcontextprotocol/protocolVersion": 1, "io.modelcontextprotocol/clientCapabilities": {}}},
    ],
)
def test_meta_is_demanded(server: HttpServer, params: Any) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"} | ({"params": params} if params is not None else {})
    answer = server.ask(body, modern_headers("tools/list"))
    assert (answer.status, code(answer), answer.json["id"]) == (400, -32602, 1)


def test_client_info_is_optional(server: HttpServer) -> None:
    body = modern("tools/list")
    del body["params"]["_meta"]["io.modelcontextprotocol/clientInfo"]
    assert server.ask(body, modern_headers("tools/list")).status == 200


def test_unknown_log_level(server: HttpServer) -> None:
    body = modern("tools/list", meta={"io.modelcontextprotocol/logLevel": "loud"})
    assert code(server.ask(body, modern_headers("tools/list"))) == -32602


@pytest.mark.parametrize(
    "headers",
    [
        {"Mcp-Method": None},
        {"Mcp-Method": "tools/list"},
        {"Mcp-Method": "Tools/Call"},
        {"Mcp-Name": None},
        {"Mcp-Name": "sub"},
        {"Mcp-Name": "ADD"},
        {"Mcp-Name": "=?base64?not base64?="},
        {"Mcp-Name": "=?base64?YWRk?"},
        {"MCP-Protocol-Version": None},
        {"MCP-Protocol-Version": LEGACY},
        {"MCP-Protocol-Version": "2099-01-01"},
    ],
)
def test_headers_must_agree_with_the_body(server: HttpServer, headers: dict[str, str | None]) -> None:
    answer = server.ask(modern("tools/call", CALL), modern_headers("tools/call", "add") | headers)
    assert (answer.status, code(answer)) == (400, -32020)


def test_repeated_routing_header(server: HttpServer) -> None:
    headers = modern_headers("tools/call", "add") | {"mcp-method": "tools/call"}
    answer = server.ask(modern("tools/call", CALL), headers)
    assert (answer.status, code(answer)) == (400, -32020)


def test_name_header_in_base64(server: HttpServer) -> None:
    encoded = f"=?base64?{base64.b64encode(b'add').decode()}?="
    assert server.ask(modern("tools/call", CALL), modern_headers("tools/call", encoded)).status == 200


def test_unsupported_version(server: HttpServer) -> None:
    body = modern("tools/list", meta={"io.modelcontextprotocol/protocolVersion": "2099-01-01"})
    answer = server.ask(body, modern_headers("tools/list") | {"MCP-Protocol-Version": "2099-01-01"})
    assert (answer.status, code(answer)) == (400, -32022)
    assert answer.json["error"]["data"] == {"supported": [MODERN], "requested": "2099-01-01"}


@pytest.mark.parametrize(
    "method", ["ping", "initialize", "logging/setLevel", "resources/subscribe", "nonsense", "resources/list"]
)
def test_methods_that_a_modern_server_does_not_have(server: HttpServer, method: str) -> None:
    answer = server.ask(modern(method), modern_headers(method))
    assert (answer.status, code(answer), answer.json["id"]) == (404, -32601, 1)


@pytest.mark.parametrize(
    "params", [{}, {"name": 1}, {"name": "add", "arguments": []}, {"name": "add", "arguments": "x"}]
)
def test_call_parameters(server: HttpServer, params: dict[str, Any]) -> None:
    name = params.get("name") if isinstance(params.get("name"), str) else None
    answer = server.ask(modern("tools/call", params), modern_headers("tools/call", name))
    assert code(answer) == -32602


def test_unknown_tool(server: HttpServer) -> None:
    answer = server.call("subtract", {})
    assert code(answer) == -32602
    assert "subtract" in answer.json["error"]["message"]


def test_bad_arguments_are_the_tools_error(server: HttpServer) -> None:
    result = server.call("add", {"a": 1, "b": "two"}).json["result"]
    assert result["isError"] is True
    assert "b" in result["content"][0]["text"]
    assert result["_meta"]["io.mcpkit/error"]["kind"] == "bad_arguments"


def test_modern_notifications_are_accepted_and_dropped(server: HttpServer) -> None:
    body = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    answer = server.ask(body, {"MCP-Protocol-Version": MODERN})
    assert (answer.status, answer.body) == (202, b"")


def test_modern_requests_ignore_session_headers(server: HttpServer) -> None:
    headers = modern_headers("tools/call", "add") | {"Mcp-Session-Id": "bogus", "Last-Event-ID": "7"}
    assert server.ask(modern("tools/call", CALL), headers).status == 200


def test_a_modern_client_sends_no_responses(server: HttpServer) -> None:
    answer = server.ask({"jsonrpc": "2.0", "id": 1, "result": {}}, {"MCP-Protocol-Version": MODERN})
    assert (answer.status, code(answer)) == (400, -32600)


# --- the revisions before ---


@pytest.mark.parametrize(
    ("asked", "answered"),
    [(v, v) for v in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")]
    + [("1999-01-01", LEGACY), (MODERN, LEGACY)],
)
def test_initialize_negotiates(server: HttpServer, asked: str, answered: str) -> None:
    answer = server.ask(initialize(asked))
    assert answer.status == 200
    assert answer.json["result"]["protocolVersion"] == answered
    assert set(answer.json["result"]["capabilities"]) == {"tools"}
    assert len(answer.headers["mcp-session-id"]) >= 32


def test_a_session(server: HttpServer) -> None:
    session = server.session()
    headers: dict[str, str | None] = {"Mcp-Session-Id": session, "MCP-Protocol-Version": LEGACY}
    assert server.ask({"jsonrpc": "2.0", "method": "notifications/initialized"}, headers).status == 202
    assert server.ask(legacy("ping"), headers).json["result"] == {}
    tools = server.ask(legacy("tools/list"), headers).json["result"]
    assert [tool["name"] for tool in tools["tools"]] == ["add", "spin"]
    assert "resultType" not in tools
    result = server.ask(legacy("tools/call", CALL), headers).json["result"]
    assert result["structuredContent"] == {"result": 5}
    assert "resultType" not in result
    other = headers | {"MCP-Protocol-Version": "2025-03-26"}
    assert server.ask(legacy("ping"), other).status == 200
    assert server.ask(legacy("ping"), headers | {"MCP-Protocol-Version": None}).status == 200
    assert server.ask(b"", headers, method="DELETE").status in {200, 204}
    assert server.ask(legacy("ping"), headers).status == 404


def test_sessions_are_demanded(server: HttpServer) -> None:
    answer = server.ask(legacy("tools/list"))
    assert (answer.status, code(answer)) == (400, -32600)
    answer = server.ask(legacy("tools/list"), {"Mcp-Session-Id": "0" * 32})
    assert (answer.status, code(answer)) == (404, -32600)
    assert server.ask(b"", method="DELETE").status == 400
    assert server.ask(b"", {"Mcp-Session-Id": "0" * 32}, method="DELETE").status == 404


def test_legacy_errors_travel_in_200(server: HttpServer) -> None:
    headers: dict[str, str | None] = {"Mcp-Session-Id": server.session()}
    for body, expected in (
        (legacy("nonsense"), -32601),
        (legacy("resources/list"), -32601),
        (legacy("tools/call", {"name": "subtract"}), -32602),
        (legacy("tools/call", {"name": 3}), -32602),
        (legacy("tools/list", {"cursor": "nonsense"}), -32602),
    ):
        answer = server.ask(body, headers)
        assert (answer.status, code(answer)) == (200, expected)


def test_responses_from_a_legacy_client_are_taken(server: HttpServer) -> None:
    headers: dict[str, str | None] = {"Mcp-Session-Id": server.session()}
    assert server.ask({"jsonrpc": "2.0", "id": 1, "result": {}}, headers).status == 202


# --- other routes ---


def test_other_routes(server: HttpServer) -> None:
    with server.connect() as connection:
        connection.send(http(b"", {"Content-Type": None}, method="GET", path="/health"))
        assert connection.receive().json["status"] == "ok"
        # The same connection comes back to the MCP endpoint, both eras.
        connection.send(http(modern("tools/call", CALL), modern_headers("tools/call", "add")))
        assert connection.receive().json["result"]["structuredContent"] == {"result": 5}
        connection.send(http(b"{", {}))
        assert connection.receive().status == 400
        connection.send(http(b"", {"Content-Type": None}, method="GET", path="/nothing"))
        assert connection.receive().status == 404


def test_other_routes_are_behind_the_host_check(server: HttpServer) -> None:
    assert server.ask(b"", {"Host": "evil.example.com"}, method="GET", path="/health").status == 421


def test_paths_are_taken_by_the_letter(server: HttpServer, tmp_path: Path) -> None:
    assert server.ask(initialize(), path="/mcp?query=1").status == 200
    assert server.ask(initialize(), path="/MCP").status == 404
