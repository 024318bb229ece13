"""`mcpkit.Server` as docs/native.md shows it: run as a program, asked by the official client, in both eras."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from mcpkit import ConfigError, Server
from mcpkit.native import DefinitionError, DuplicateError
from servers import ADD_WAT, BOTH, modern, modern_headers

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = re.search(r"```python\n(# weather\.py\n.*?)```", (ROOT / "docs" / "native.md").read_text("utf-8"), re.DOTALL)
ERAS = ["legacy", "2026-07-28"]

MORE = '''
import threading

from mcpkit import Image, ListRoots, ProtocolError, ResourceNotFoundError

server.add_module("add.wat")


@server.tool
def change() -> str:
    """Adds a tool from another thread."""
    assert threading.current_thread() is not threading.main_thread()
    server.tool(name="new")(cities)
    return "changed"


@server.tool
async def break_off() -> None:
    """Breaks a rule of the application's own."""
    raise ProtocolError(1234, "not today", {"try": "tomorrow"})


@server.tool
async def picture() -> Image:
    """Draws nothing."""
    return Image(b"nothing")


@server.resource("weather://archive/{number}")
def archive(number: int) -> str:
    """Old measurements."""
    if number > 3:
        raise ResourceNotFoundError(f"weather://archive/{number}")
    return "old"


server.run(*sys.argv[1:])
'''


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of docs/native.md, with some more to ask for."""
    assert EXAMPLE, "docs/native.md begins with an example"
    folder = tmp_path_factory.mktemp("native")
    (folder / "add.wat").write_text(ADD_WAT)
    (folder / "weather.py").write_text(EXAMPLE[1])
    (folder / "more.py").write_text("import sys\n\nfrom weather import cities, server\n" + MORE)
    return folder / "more.py"


def ask(program: Path, era: str, question: Callable[[Client], Awaitable[None]]) -> None:
    """Start the program over stdio and ask it."""

    async def main() -> None:
        environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
        server = StdioServerParameters(command=sys.executable, args=[program.name], env=environment, cwd=program.parent)
        async with Client(stdio_client(server), mode=era) as client:
            await question(client)

    asyncio.run(main())


async def refused(answer: Awaitable[Any]) -> Any:
    """The JSON-RPC error that a request is answered with."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- the client's own exception, whose `error` is what matters
        await answer
    return caught.value.error  # type: ignore[attr-defined]


@pytest.mark.parametrize("era", ERAS)
def test_the_example_of_the_documentation(program: Path, era: str) -> None:
    async def question(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"forecast", "change", "break_off", "picture", "add", "spin"}
        assert tools["forecast"].description == "Says how warm it will be."
        assert tools["forecast"].input_schema["properties"]["days"]["maximum"] == 14
        heard: list[float] = []

        async def progress(done: float, total: float | None, message: str | None) -> None:
            heard.append(done)

        warm = await client.call_tool("forecast", {"city": "Rome", "days": 2}, progress_callback=progress)
        assert warm.structured_content == {"city": "Rome", "days": [20.0, 21.0]}
        assert heard == [1, 2]
        for arguments, why in (({"city": "Atlantis"}, "above the sea"), ({"city": "Rome", "days": 15}, "<= 14")):
            failed = await client.call_tool("forecast", arguments)
            assert failed.is_error
            assert why in failed.content[0].text
        added = await client.call_tool("add", {"a": 1, "b": 2})  # the WebAssembly tool beside them
        assert added.structured_content == {"result": 3}
        drawn = await client.call_tool("picture", {})
        assert (drawn.content[0].type, drawn.content[0].mime_type) == ("image", "image/png")

    ask(program, era, question)


@pytest.mark.parametrize("era", ERAS)
def test_resources_prompts_and_completion(program: Path, era: str) -> None:
    async def question(client: Client) -> None:
        assert [str(r.uri) for r in (await client.list_resources()).resources] == ["weather://stations"]
        templates = (await client.list_resource_templates()).resource_templates
        assert [t.uri_template for t in templates] == ["weather://archive/{number}", "weather://stations/{name}{?year}"]
        (stations,) = (await client.read_resource("weather://stations")).contents
        assert (stations.mime_type, stations.text) == ("application/json", '["Oslo","Rome"]')
        (station,) = (await client.read_resource("weather://stations/Rome?year=1999")).contents
        assert station.text == "Rome in 1999: fine"
        for uri in ("weather://archive/7", "weather://archive/x", "weather://nowhere/"):
            error = await refused(client.read_resource(uri))
            assert (error.code, error.data) == (-32002 if era == "legacy" else -32602, {"uri": uri})

        (packing,) = (await client.list_prompts()).prompts
        assert [(a.name, a.required) for a in packing.arguments or []] == [("city", True), ("style", False)]
        got = await client.get_prompt("packing", {"city": "Oslo"})
        assert "light packing list" in got.messages[0].content.text
        for arguments in ({}, {"city": "Oslo", "style": "reckless"}):
            assert (await refused(client.get_prompt("packing", arguments))).code == -32602

        reference: Any = {"type": "ref/prompt", "name": "packing"}
        found = await client.complete(reference, {"name": "city", "value": "o"})
        assert found.completion.values == ["Oslo"]
        found = await client.complete(reference, {"name": "style", "value": ""})
        assert sorted(found.completion.values) == ["cautious", "light"]

    ask(program, era, question)


@pytest.mark.parametrize("era", ERAS)
def test_a_protocol_error_of_the_applications_own(program: Path, era: str) -> None:
    async def question(client: Client) -> None:
        error = await refused(client.call_tool("break_off", {}))
        assert (error.code, error.message, error.data) == (1234, "not today", {"try": "tomorrow"})

    ask(program, era, question)


@pytest.mark.parametrize("era", ERAS)
def test_what_is_added_while_the_server_runs_is_served(program: Path, era: str) -> None:
    async def question(client: Client) -> None:
        assert not (await client.call_tool("change", {})).is_error
        found = await client.call_tool("new", {"typed": "ro"})
        assert found.structured_content == {"result": ["Rome"]}

    ask(program, era, question)


def test_over_http(program: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "import weather; weather.server.run('http', port=0)"],
        cwd=program.parent,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        told = re.fullmatch(r"weather serves MCP at (http://127\.0\.0\.1:\d+/mcp)\n", process.stdout.readline())
        assert told
        request = modern("tools/call", {"name": "forecast", "arguments": {"city": "Oslo", "days": 1}})
        headers = {"Accept": BOTH, **modern_headers("tools/call", "forecast")}
        answer = httpx.post(told[1], json=request, headers={k: v for k, v in headers.items() if v is not None})
        assert answer.json()["result"]["structuredContent"] == {"city": "Oslo", "days": [20.0]}
        assert answer.json()["result"]["_meta"]["io.mcpkit/usage"]["durationMs"] > 0
    finally:
        process.terminate()
        assert process.wait(20) == 0
        if process.stdout:
            process.stdout.close()


def test_inside_another_application() -> None:  # N14
    server = Server("inside")

    @server.tool
    def double(n: int) -> int:
        return 2 * n

    async def main() -> Any:
        app = server.asgi_app(hosts=["test.example"])
        transport = httpx.ASGITransport(app=app)
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://test.example") as client:
                request = modern("tools/call", {"name": "double", "arguments": {"n": 4}})
                headers = {"Accept": BOTH, **modern_headers("tools/call", "double")}
                given = {k: v for k, v in headers.items() if v is not None}
                return (await client.post("/", json=request, headers=given)).json()
        finally:
            await app.aclose()

    result = asyncio.run(main())["result"]
    assert result["structuredContent"] == {"result": 8}
    assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "inside"


def test_a_configuration_beside_the_code(tmp_path: Path) -> None:
    config = tmp_path / "server.json"
    config.write_text(json.dumps({"server": {"name": "from-file", "instructions": "Be kind.", "port": 4000}}))
    server = Server(config=config, version="2")
    assert (server.name, server.config.server.port, server.config.server.version) == ("from-file", 4000, "2")
    assert Server("own", config=config).name == "own"
    config.write_text(json.dumps({"sever": {}}))
    with pytest.raises(ConfigError, match="sever"):
        Server(config=config)


def test_a_native_tool_and_a_webassembly_tool_of_one_name(tmp_path: Path) -> None:
    (tmp_path / "add.wat").write_text(ADD_WAT)
    server = Server("both")
    server.add_module(tmp_path / "add.wat")

    @server.tool
    def add(a: int, b: int) -> int:
        return a + b

    with pytest.raises(DuplicateError, match="add"):
        server.application()


def test_decorators_give_the_function_back_and_refuse_at_once() -> None:
    server = Server("s")

    def plain(a: int) -> str:
        return str(a)

    assert server.tool(plain) is plain
    assert server.tool(name="again", title="Again")(plain) is plain
    assert server.prompt(plain) is plain
    assert server.resource("a://{a}")(plain) is plain
    assert server.completion("a://{a}", "a")(lambda typed: []) is not None
    with pytest.raises(DuplicateError):
        server.tool(plain)
    with pytest.raises(DefinitionError, match="register it first"):
        server.completion("missing", "a")(lambda typed: [])
    with pytest.raises(DefinitionError, match="no common size"):
        server.resource("a://b/{a}", size=3)(plain)
