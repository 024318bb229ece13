"""The C guest SDK: one source as a program of this machine and as WebAssembly under the stock wasmtime. # B17-B22"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import MCPError, StdioServerParameters
from mcp.client import Client

import guests
from servers import LEGACY, initialize, legacy, modern

HOST = Path(__file__).with_name("wasi_host.py")
BUILDS = ["native", "wasm"]


def command(build: str) -> list[str]:
    if build == "native":
        return [str(guests.native_server("c-server"))]
    return [sys.executable, str(HOST), str(guests.build("c-server"))]


class Server:
    """A running server and the pipes to it."""

    def __init__(self, build: str) -> None:
        self.process = subprocess.Popen(command(build), stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, message: object) -> None:
        assert self.process.stdin
        self.process.stdin.write((message if isinstance(message, bytes) else json.dumps(message).encode()) + b"\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the server ended"
        return json.loads(line)

    def ask(self, message: object) -> Any:
        self.send(message)
        return self.receive()

    def open(self, revision: str = LEGACY) -> Any:
        answer = self.ask(initialize(revision))
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return answer

    def call(self, name: str, **arguments: object) -> Any:
        return self.ask(modern("tools/call", {"name": name, "arguments": arguments}))["result"]

    def close(self) -> int:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.stdout.close()
        return self.process.wait(timeout=30)


@pytest.fixture(params=BUILDS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    running = Server(request.param)
    yield running
    assert running.close() == 0


def test_smaller_than_100_kilobytes() -> None:  # B21
    assert guests.build("c-server").stat().st_size < 100_000


def test_modern_requests_need_no_session(server: Server) -> None:
    found = server.ask(modern("server/discover"))["result"]
    assert found["supportedVersions"] == ["2026-07-28"]
    assert set(found["capabilities"]) == {"tools", "resources", "prompts", "logging"}
    assert found["_meta"]["io.modelcontextprotocol/serverInfo"] == {"name": "c-server", "version": "1.0.0"}
    listed = server.ask(modern("tools/list"))["result"]
    assert [tool["name"] for tool in listed["tools"]] == ["convert", "shout", "count", "dot"]
    assert (listed["resultType"], listed["cacheScope"]) == ("complete", "public")
    result = server.call("convert", value=100, **{"from": "celsius"}, to="kelvin")
    assert result["structuredContent"] == {"value": 373.15}
    assert result["content"] == [{"type": "text", "text": "373.15"}]
    assert result["isError"] is False


@pytest.mark.parametrize("revision", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_legacy_sessions_of_every_revision(server: Server, revision: str) -> None:
    opened = server.open(revision)["result"]
    assert opened["protocolVersion"] == revision
    assert opened["serverInfo"] == {"name": "c-server", "version": "1.0.0"}
    assert server.ask(legacy("ping"))["result"] == {}
    listed = server.ask(legacy("tools/list"))["result"]
    assert set(listed) == {"tools"}
    assert ("outputSchema" in listed["tools"][0]) == (revision >= "2025-06-18")
    arguments = {"value": 32, "from": "fahrenheit", "to": "celsius"}
    result = server.ask(legacy("tools/call", {"name": "convert", "arguments": arguments}))["result"]
    assert result["content"][0]["text"] == "0"
    assert ("structuredContent" in result) == (revision >= "2025-06-18")


def test_an_unknown_version_is_answered_with_one_that_is_spoken(server: Server) -> None:
    assert server.open("1999-01-01")["result"]["protocolVersion"] == "2025-11-25"
    version = {"io.modelcontextprotocol/protocolVersion": "2099-01-01"}
    error = server.ask(modern("tools/list", meta=version))["error"]
    assert (error["code"], error["data"]) == (-32022, {"supported": ["2026-07-28"], "requested": "2099-01-01"})


def test_requests_before_initialize_are_refused(server: Server) -> None:
    assert server.ask(legacy("tools/list"))["error"]["code"] == -32600
    assert server.ask(legacy("ping"))["result"] == {}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "'value' is missing"),
        ({"value": "1", "from": "celsius", "to": "kelvin"}, "'value' must be a number"),
        ({"value": 1, "from": "ells", "to": "kelvin"}, "'from' must be celsius"),
        ({"value": -300, "from": "celsius", "to": "kelvin"}, "colder"),
    ],
)
def test_arguments_that_do_not_fit_are_errors_that_the_model_sees(
    server: Server, arguments: dict[str, Any], says: str
) -> None:
    result = server.call("convert", **arguments)
    assert result["isError"] is True
    assert says in result["content"][0]["text"]
    assert "structuredContent" not in result


@pytest.mark.parametrize("steps", [3, 3.0])
def test_progress_and_logs_come_before_the_answer(server: Server, steps: float) -> None:
    message = modern("tools/call", {"name": "count", "arguments": {"steps": steps}})
    message["params"]["_meta"] |= {"progressToken": "p", "io.modelcontextprotocol/logLevel": "info"}
    server.send(message)
    told = [server.receive() for _ in range(5)]
    assert [m["params"]["progress"] for m in told[:3]] == [1, 2, 3]
    assert {m["params"]["progressToken"] for m in told[:3]} == {"p"}
    assert told[3]["params"] == {"level": "info", "logger": "count", "data": "counted to 3"}
    assert told[4]["result"]["content"][0]["text"] == "counted to 3"


def test_logs_follow_the_level_of_a_session(server: Server) -> None:
    server.open()
    assert server.ask(legacy("logging/setLevel", {"level": "loud"}))["error"]["code"] == -32602
    assert server.ask(legacy("logging/setLevel", {"level": "debug"}))["result"] == {}
    server.send(legacy("tools/call", {"name": "count", "arguments": {"steps": 1}}, id=9))
    assert [server.receive()["params"]["level"] for _ in range(2)] == ["debug", "info"]
    assert server.receive()["id"] == 9
    assert server.ask(legacy("logging/setLevel", {"level": "error"}))["result"] == {}
    assert server.ask(legacy("tools/call", {"name": "count", "arguments": {"steps": 1}}, id=10))["id"] == 10


def test_pictures_are_base64(server: Server) -> None:
    (picture,) = server.call("dot")["content"]
    assert picture["mimeType"] == "image/png"
    assert base64.b64decode(picture["data"], validate=True).startswith(b"\x89PNG")


def test_resources_and_templates(server: Server) -> None:
    listed = server.ask(modern("resources/list"))["result"]["resources"]
    assert [resource["uri"] for resource in listed] == ["about://server"]
    (template,) = server.ask(modern("resources/templates/list"))["result"]["resourceTemplates"]
    assert template["uriTemplate"] == "table://{n}"
    read = server.ask(modern("resources/read", {"uri": "table://7"}))["result"]
    assert read["contents"][0]["uri"] == "table://7"
    assert "6 x 7 = 42" in read["contents"][0]["text"]
    assert "6 x 7" in server.ask(modern("resources/read", {"uri": "table://%37"}))["result"]["contents"][0]["text"]
    for uri in ("table://", "table://7/8", "table://%ff", "table://%", "nothing://"):
        error = server.ask(modern("resources/read", {"uri": uri}))["error"]
        assert (error["code"], error["data"]) == (-32602, {"uri": uri})
    server.open()
    assert server.ask(legacy("resources/read", {"uri": "nothing://"}))["error"]["code"] == -32002


def test_prompts(server: Server) -> None:
    (prompt,) = server.ask(modern("prompts/list"))["result"]["prompts"]
    assert [argument["name"] for argument in prompt["arguments"]] == ["code", "language"]
    got = server.ask(modern("prompts/get", {"name": "review", "arguments": {"code": "x = 1"}}))["result"]
    assert [message["role"] for message in got["messages"]] == ["user", "user"]
    assert "x = 1" in got["messages"][1]["content"]["text"]
    assert server.ask(modern("prompts/get", {"name": "review"}))["error"]["code"] == -32602


def test_batches_belong_to_one_revision(server: Server) -> None:
    batch = [legacy("ping", id=1), {"jsonrpc": "2.0", "method": "notifications/initialized"}, legacy("ping", id=2), 7]
    server.open("2025-11-25")
    assert server.ask(batch)["error"]["code"] == -32600
    server.open("2025-03-26")
    first, second, wrong = server.ask(batch)
    assert (first["id"], second["id"], wrong["error"]["code"]) == (1, 2, -32600)


@pytest.mark.parametrize(
    ("line", "code"),
    [(b"nonsense", -32700), (b"[]", -32600), (b"7", -32600), (b'{"jsonrpc":"2.0","id":1}', -32600)],
)
def test_lines_that_are_no_messages(server: Server, line: bytes, code: int) -> None:
    assert server.ask(line)["error"]["code"] == code
    assert server.call("shout", text="still here")["content"][0]["text"] == "STILL HERE"


@pytest.fixture(scope="module", params=BUILDS)
def lasting(request: pytest.FixtureRequest) -> Iterator[Server]:
    running = Server(request.param)
    yield running
    assert running.close() == 0


@settings(max_examples=60, deadline=None)
@given(text=st.text(max_size=300))
def test_every_text_comes_back(lasting: Server, text: str) -> None:
    shouted = lasting.call("shout", text=text)["content"][0]["text"]
    assert shouted == "".join(c.upper() if "a" <= c <= "z" else c for c in text)


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
nested = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)


@settings(max_examples=100, deadline=None)
@given(nested)
def test_no_parameters_end_the_server(lasting: Server, value: object) -> None:
    for method in ("tools/call", "resources/read", "prompts/get", "logging/setLevel", "initialize", "tools/list"):
        for params in (
            value,
            {"name": value, "uri": value},
            {"name": "convert", "arguments": value},
            {"name": "review", "arguments": {"code": value}},
        ):
            answer = lasting.ask({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
            assert ("result" in answer) != ("error" in answer)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_the_official_client(build: str, mode: str, anyio_backend: str) -> None:
    program, *arguments = command(build)
    parameters = StdioServerParameters(command=program, args=arguments)
    async with Client(parameters, mode=mode, read_timeout_seconds=30) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == {"convert", "shout", "count", "dot"}
        told: list[float] = []

        async def heard(progress: float, total: float | None, message: str | None) -> None:
            told.append(progress)

        result = await client.call_tool("count", {"steps": 4}, progress_callback=heard)
        assert result.content[0].text == "counted to 4"
        assert told == [1, 2, 3, 4]
        assert (await client.read_resource("about://server")).contents[0].text.startswith("An MCP server in C")
        assert len((await client.get_prompt("review", {"code": "1"})).messages) == 2
        with pytest.raises(MCPError, match="unknown resource"):
            await client.read_resource("nothing://")
