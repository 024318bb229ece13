"""Settings of HTTP: CORS, the access log, limits of connections and time, the deprecated HTTP+SSE pair. # C07 N07"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from servers import MODERN, Connection, Response, http, initialize, legacy, modern, modern_headers
from transports import ENDLESS_CALL, Running, configured

CALL = modern("tools/call", {"name": "add", "arguments": {"a": 2, "b": 3}})
APP = "https://app.example"


def ask(server: Running, *request: Any, **more: Any) -> Response:
    with server.connect() as connection:
        connection.send(http(*request, **more))
        return connection.receive()


def preflight(server: Running, origin: str, path: str = "/mcp") -> Response:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,mcp-param-region",
        "Accept": "*/*",
        "Content-Type": None,
        "Content-Length": None,
    }
    return ask(server, b"", headers, method="OPTIONS", path=path)


# --- CORS ---


@pytest.fixture(scope="module")
def cors() -> Iterator[Running]:
    settings = {"cors_enabled": True, "cors_origins": [APP], "allowed_origins": ["https://partner.example"]}
    with configured({"type": "http", "settings": settings}) as running:
        yield running


def test_a_browser_may_ask_what_a_page_may_send(cors: Running) -> None:
    answer = preflight(cors, APP)
    assert answer.status == 204
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["vary"] == "Origin"
    assert answer.headers["access-control-allow-methods"] == "POST, GET, DELETE"
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type,mcp-param-region"
    assert int(answer.headers["access-control-max-age"]) > 0
    assert "access-control-allow-credentials" not in answer.headers


def test_the_page_may_read_answers_and_refusals(cors: Running) -> None:
    good = ask(cors, CALL, modern_headers("tools/call", "add", Origin=APP))
    assert good.json["result"]["structuredContent"] == {"result": 5}
    bad = ask(cors, b"{", {"Origin": APP})
    long = ask(cors, b"", {"Origin": APP, "Content-Length": str(1 << 40)})
    assert (good.status, bad.status) == (200, 400)
    assert long.status == 413
    for answer in (good, bad):
        assert answer.headers["access-control-allow-origin"] == APP
        exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert {"mcp-session-id", "mcp-protocol-version", "www-authenticate"} <= exposed
    opened = ask(cors, initialize(), {"Origin": APP})
    assert opened.headers["mcp-session-id"]
    assert opened.headers["access-control-allow-origin"] == APP


def test_one_answer_after_another_on_one_connection(cors: Running) -> None:
    with cors.connect() as connection:
        for origin, echoed in ((APP, APP), (None, None), ("http://localhost:8080", None), (APP, APP)):
            connection.send(http(initialize(), {"Origin": origin}))
            answer = connection.receive()
            assert (answer.status, answer.headers.get("access-control-allow-origin")) == (200, echoed)


@pytest.mark.parametrize("origin", ["https://partner.example", "http://localhost:9"])
def test_who_may_call_may_not_always_read(cors: Running, origin: str) -> None:
    assert preflight(cors, origin).status == 405
    answer = ask(cors, initialize(), {"Origin": origin})
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers


def test_strangers_are_not_even_answered(cors: Running) -> None:
    for answer in (
        preflight(cors, "https://evil.example"),
        ask(cors, initialize(), {"Origin": "https://evil.example"}),
    ):
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers


def test_cors_of_other_routes(cors: Running) -> None:
    assert preflight(cors, APP, "/health").headers["access-control-allow-origin"] == APP
    answer = ask(cors, b"", {"Origin": APP}, method="GET", path="/health")
    assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, APP)


def test_an_endpoint_reached_on_a_connection_that_served_other_routes(cors: Running) -> None:
    with cors.connect() as connection:
        connection.send(http(b"", method="GET", path="/health"))
        assert connection.receive().status == 200
        connection.send(http(CALL, modern_headers("tools/call", "add", Origin=APP)))
        answer = connection.receive()
        assert answer.json["result"]["structuredContent"] == {"result": 5}
        assert answer.headers["access-control-allow-origin"] == APP


def test_every_page_that_is_let_in_where_none_is_named() -> None:
    settings = {"cors_enabled": True, "allowed_origins": [APP]}
    with configured({"type": "http", "settings": settings}) as server:
        for origin in (APP, "http://localhost:8080"):
            assert preflight(server, origin).headers["access-control-allow-origin"] == origin
        assert preflight(server, "https://evil.example").status == 403


def test_without_cors_nothing_is_said() -> None:
    with configured({"type": "http", "settings": {"allowed_origins": [APP]}}) as server:
        assert preflight(server, APP).status == 405
        assert "access-control-allow-origin" not in ask(server, initialize(), {"Origin": APP}).headers


# --- access log ---


def access(server: Running, count: int) -> list[dict[str, Any]]:
    for _ in range(100):
        lines = server.lines("mcpkit.access")
        if len(lines) >= count:
            return [json.loads(line) for line in lines]
        time.sleep(0.02)
    raise AssertionError(f"fewer than {count} lines: {server.log.read_text()}")


def test_one_line_per_request_without_secrets() -> None:
    secret = "s3cr3t-t0k3n"
    with configured({"type": "http", "settings": {"access_log": True}}) as server:
        ask(server, CALL, modern_headers("tools/call", "add", Authorization=f"Bearer {secret}"))
        session = ask(server, initialize()).headers["mcp-session-id"]
        ask(server, legacy("ping"), {"Mcp-Session-Id": session})
        ask(server, b"{", {"MCP-Protocol-Version": MODERN})
        ask(server, initialize(), {"Host": "evil.example"})
        ask(server, b"", method="GET", path=f"/health?token={secret}")
        with server.connect() as connection:
            connection.send(b"nonsense\r\n\r\n")
            assert connection.receive().status == 400
        lines = access(server, 7)
        call, opened, ping, broken, foreign, health, nonsense = lines
        assert call["message"] == "POST /mcp"
        assert (call["method"], call["tool"], call["status"]) == ("tools/call", "add", 200)
        assert call["bytes"] > 100
        assert call["ms"] >= 0
        assert call["peer"].startswith("127.0.0.1:")
        assert (opened["method"], ping["method"], ping["status"]) == ("initialize", "ping", 200)
        assert ping["session"] not in session
        assert len(ping["session"]) == 12
        assert [line["status"] for line in (broken, foreign, health, nonsense)] == [400, 421, 200, 400]
        assert health["message"] == "GET /health"
        text = server.log.read_text()
        assert secret not in text
        assert session not in text


def test_a_client_that_went_away_is_noted() -> None:
    with configured({"type": "http", "settings": {"access_log": True}}) as server:
        with server.connect() as connection:
            connection.send(http(modern("tools/call", ENDLESS_CALL), modern_headers("tools/call", "spin")))
            time.sleep(0.2)
        (line,) = access(server, 1)
        assert (line["tool"], line["status"]) == ("spin", 0)


def test_names_cannot_forge_lines() -> None:
    name = 'add status=200"\u2028x'
    with configured({"type": "http", "settings": {"access_log": True}}, server={"log_format": "text"}) as server:
        ask(server, initialize(), {"Host": "localhost"})
        ask(server, modern("tools/call", {"name": name}), modern_headers("tools/call", "add"))
        for _ in range(100):
            if len(server.lines("mcpkit.access")) >= 2:
                break
            time.sleep(0.02)
        line = server.lines("mcpkit.access")[1]
        assert line.count("status=") == 1
        assert "status=400" in line


def test_no_access_log_unless_asked() -> None:
    with configured({"type": "http"}) as server:
        ask(server, initialize())
        assert not server.lines("mcpkit.access")


# --- limits ---


def test_one_connection_too_many() -> None:
    with configured({"type": "http", "settings": {"max_connections": 3}}) as server:
        with server.connect() as first, server.connect() as second, server.connect() as third:
            for connection in (first, second):
                connection.send(http(initialize()))
                assert connection.receive().status == 200
            third.send(http(b"", method="GET", path="/health"))  # counted where other routes serve it, too
            assert third.receive().status == 200
            with server.connect() as fourth:
                answer = fourth.receive()
                assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                assert fourth.at_end()
        for _ in range(100):
            with server.connect() as again:
                again.send(http(initialize()))
                if again.receive().status == 200:
                    break
            time.sleep(0.02)
        else:
            raise AssertionError("the places were not given back")


def test_requests_that_do_not_arrive_and_connections_that_idle() -> None:
    settings = {"request_timeout": "300ms", "idle_timeout": "600ms"}
    with configured({"type": "http", "settings": settings}) as server:
        with server.connect() as connection:
            connection.send(http(initialize())[:-5])
            assert connection.receive().status == 408
        with server.connect() as connection:
            connection.send(http(initialize()))
            assert connection.receive().status == 200
            assert connection.at_end()


def test_sessions_that_nobody_uses_end() -> None:
    with configured({"type": "http", "settings": {"session_timeout": "300ms"}}) as server:
        session = ask(server, initialize()).headers["mcp-session-id"]
        time.sleep(1.5)
        assert ask(server, legacy("ping"), {"Mcp-Session-Id": session}).status == 404


# --- HTTP+SSE of 2024-11-05 ---


class SseClient:
    """Reads the event stream of GET /sse, posts to where it says."""

    def __init__(self, server: Running) -> None:
        self.server = server
        self.connection: Connection = server.connect()
        self.connection.send(http(b"", {"Accept": "text/event-stream"}, method="GET", path="/sse"))
        head = self.connection.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        assert b"text/event-stream" in head
        kind, self.endpoint = self.event()
        assert kind == "endpoint"

    def __enter__(self) -> SseClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def event(self) -> tuple[str, str]:
        """Kind and data of the next event; each is one chunk here."""
        self.connection.read_until(b"\r\n")
        chunk = self.connection.read_until(b"\n\n\r\n").decode()
        fields = dict(line.split(": ", 1) for line in chunk.splitlines())
        return fields["event"], fields["data"]

    def post(self, message: Any, **headers: str | None) -> Response:
        return ask(self.server, message, headers, path=self.endpoint)

    def ask(self, message: Any) -> Any:
        assert self.post(message).status == 202
        kind, data = self.event()
        assert kind == "message"
        return json.loads(data)


@pytest.fixture(scope="module")
def sse() -> Iterator[Running]:
    with configured({"type": "http", "settings": {"legacy_sse": True, "max_body_size": "64Ki"}}) as running:
        yield running


def test_the_deprecated_pair(sse: Running) -> None:
    with SseClient(sse) as client, SseClient(sse) as other:
        assert client.endpoint != other.endpoint
        assert client.ask(initialize("2024-11-05"))["result"]["protocolVersion"] == "2024-11-05"
        assert client.post({"jsonrpc": "2.0", "method": "notifications/initialized"}).status == 202
        assert [tool["name"] for tool in client.ask(legacy("tools/list"))["result"]["tools"]] == ["add", "spin"]
        answer = client.ask(legacy("tools/call", {"name": "add", "arguments": {"a": 20, "b": 22}}, id="x"))
        assert answer["id"] == "x"
        assert json.loads(answer["result"]["content"][0]["text"]) == {"result": 42}
        assert "error" in other.ask(legacy("tools/list"))  # which has not said initialize


def test_what_the_deprecated_pair_refuses(sse: Running) -> None:
    with SseClient(sse) as client:
        assert client.post(b"{").status == 202
        assert json.loads(client.event()[1])["error"]["code"] == -32700
        assert client.post(initialize(), **{"Content-Type": "text/plain"}).status == 415
        assert client.post(b" " * (65 << 10)).status == 413
        assert ask(sse, initialize(), path="/messages?session_id=" + "0" * 32).status == 404
        assert ask(sse, initialize(), {"Host": "evil.example"}, path=client.endpoint).status == 421
        assert ask(sse, b"", method="GET", path=client.endpoint).status == 405


def test_a_stream_that_is_closed_takes_no_more_messages(sse: Running) -> None:
    client = SseClient(sse)
    client.connection.socket.shutdown(socket.SHUT_RDWR)
    client.connection.close()
    for _ in range(100):
        if client.post(initialize()).status == 404:
            return
        time.sleep(0.02)
    raise AssertionError("the stream lives on")


def test_the_deprecated_pair_is_off_by_default() -> None:
    with configured({"type": "http"}) as server:
        assert ask(server, b"", {"Accept": "text/event-stream"}, method="GET", path="/sse").status == 404
