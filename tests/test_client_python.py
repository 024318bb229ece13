"""The official Python client as a user has it: over stdio and HTTP, in both eras. # C05 C06 C07 N07"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
import pytest
from mcp import ClientSession, MCPError, StdioServerParameters
from mcp.client import Client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from clients.workshop import (
    LEGACY_VERSIONS,
    TOOLS,
    Workshop,
    at_rest,
    busy,
    children,
    eventually,
    watched,
    workshop,
)

pytestmark = pytest.mark.anyio

MODERN = "2026-07-28"
MODES = ["legacy", "auto", MODERN]
TRANSPORTS = ["stdio", "http"]

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
every_way = pytest.mark.parametrize(("transport", "mode"), [(t, m) for t in TRANSPORTS for m in MODES])


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with workshop(tmp_path_factory.mktemp("workshop")) as running:
        yield running


def stdio(shop: Workshop) -> StdioServerParameters:
    program, *args = shop.command
    return StdioServerParameters(command=program, args=args, env=shop.env)


def client(shop: Workshop, transport: str, mode: str) -> Client:
    return Client(stdio(shop) if transport == "stdio" else shop.http.url, mode=mode, read_timeout_seconds=20)


@asynccontextmanager
async def bare_session(shop: Workshop, transport: str) -> AsyncIterator[ClientSession]:
    """A session that has said nothing yet."""
    streams = stdio_client(stdio(shop)) if transport == "stdio" else streamable_http_client(shop.http.url)
    async with streams as (read, write), ClientSession(read, write, read_timeout_seconds=20) as session:
        yield session


async def handshake(session: ClientSession, version: str) -> types.InitializeResult:
    """`initialize` at a version of our choice; the client's own method always asks for the newest."""
    params = types.InitializeRequestParams(
        protocol_version=version,
        capabilities=types.ClientCapabilities(),
        client_info=types.Implementation(name="chooser", version="1"),
    )
    result = await session.send_request(types.InitializeRequest(params=params), types.InitializeResult)
    session.adopt(result)
    await session.send_notification(types.InitializedNotification())
    return result


def text(result: types.CallToolResult) -> str:
    [block] = result.content
    assert isinstance(block, types.TextContent)
    return block.text


def structured(result: types.CallToolResult) -> Any:
    """The structured content, which the text block repeats as JSON."""
    assert not result.is_error, result
    assert json.loads(text(result)) == result.structured_content
    return result.structured_content


def usage(result: types.CallToolResult) -> dict[str, Any]:
    assert result.meta is not None
    found: dict[str, Any] = result.meta["io.mcpkit/usage"]
    return found


# --- a session from beginning to end ---


@every_way
async def test_a_session(shop: Workshop, transport: str, mode: str) -> None:
    async with client(shop, transport, mode) as peer:
        assert peer.protocol_version == ("2025-11-25" if mode == "legacy" else MODERN)
        if mode != MODERN:  # a pinned client asks for nothing before its first call
            assert peer.server_info is not None
            assert (peer.server_info.name, peer.server_info.version) == ("workshop", "7.1")
            assert peer.instructions == "Add before you divide."
            assert peer.server_capabilities.tools is not None
            assert peer.server_capabilities.prompts is None

        listed = await peer.list_tools()
        assert [tool.name for tool in listed.tools] == TOOLS
        assert listed.next_cursor is None
        add = listed.tools[0]
        assert add.input_schema["type"] == "object"
        assert add.input_schema["properties"]["a"]["type"] == "integer"
        assert sorted(add.input_schema["required"]) == ["a", "b"]
        assert add.output_schema is not None
        if mode != "legacy":
            assert listed.ttl_ms is not None
            assert listed.cache_scope == "public"

        result = await peer.call_tool("add", {"a": 2, "b": 40})
        assert structured(result) == {"result": 42}

        failed = await peer.call_tool("divide", {"a": 1, "b": 0})
        assert failed.is_error
        assert text(failed) == "division by zero"
        assert structured(await peer.call_tool("divide", {"a": 7, "b": 2})) == {"result": 3}


@every_way
async def test_usage_comes_back_in_meta(shop: Workshop, transport: str, mode: str) -> None:  # N02
    async with client(shop, transport, mode) as peer:
        little = usage(await peer.call_tool("count", {"to": 10}))
        much = usage(await peer.call_tool("count", {"to": 10_000}))
        again = usage(await peer.call_tool("count", {"to": 10_000}))
        assert 0 < little["computeUnits"] < 1_000
        assert 10_000 <= much["computeUnits"] < 200_000
        assert much["computeUnits"] == again["computeUnits"]
        assert much["durationMs"] >= 0
        trapped = await peer.call_tool("fail", {})
        assert trapped.is_error
        assert trapped.meta is not None
        assert trapped.meta["io.mcpkit/error"] == {"kind": "trap"}
        assert usage(trapped)["computeUnits"] > 0


@every_way
async def test_errors_and_the_call_after_them(shop: Workshop, transport: str, mode: str) -> None:  # C06
    async with client(shop, transport, mode) as peer:
        with pytest.raises(MCPError, match="nonesuch") as unknown:
            await peer.call_tool("nonesuch", {})
        assert unknown.value.error.code == types.INVALID_PARAMS

        for arguments in ({"a": 1}, {"a": 1, "b": "two"}, {"a": 1, "b": 2**31}, {"a": 1, "b": 2, "c": 3}):
            bad = await peer.call_tool("add", arguments)
            assert bad.is_error, arguments
            assert bad.meta is not None
            assert bad.meta["io.mcpkit/error"] == {"kind": "bad_arguments"}
            assert ("c" if "c" in arguments else "b") in text(bad)

        with pytest.raises(MCPError) as unserved:
            await peer.list_prompts()
        assert unserved.value.error.code == types.METHOD_NOT_FOUND

        with pytest.raises(MCPError) as cursor:
            await peer.list_tools(cursor="not one of ours")
        assert cursor.value.error.code == types.INVALID_PARAMS

        assert structured(await peer.call_tool("add", {"a": -1, "b": 1})) == {"result": 0}


@every_way
async def test_text_of_every_kind_and_size(shop: Workshop, transport: str, mode: str) -> None:
    async with client(shop, transport, mode) as peer:
        for words in ("", "plain", 'quo"te \\ \n \t \x00 \x7f', "naïve ☃ 𝄞 \u2028", "é" * 100_000):
            assert structured(await peer.call_tool("echo", {"text": words})) == {"result": words}


@every_way
async def test_meta_of_the_callers_own(shop: Workshop, transport: str, mode: str) -> None:
    """Tracing fields, strangers' keys and a progress token change nothing in the answer."""
    seen: list[float] = []

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    meta: Any = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "com.example/tag": ["x", {}]}
    async with client(shop, transport, mode) as peer:
        result = await peer.call_tool("add", {"a": 1, "b": 1}, meta=meta, progress_callback=on_progress)
        assert structured(result) == {"result": 2}
        assert (await peer.list_tools(meta=meta)).tools[0].name == "add"
    assert seen == sorted(set(seen))


# --- several things at once ---


@every_way
async def test_many_calls_at_once(shop: Workshop, transport: str, mode: str) -> None:
    answers: dict[int, Any] = {}

    async with client(shop, transport, mode) as peer:

        async def ask(n: int) -> None:
            if n % 8 == 0:
                answers[n] = structured(await peer.call_tool("count", {"to": 3_000_000 + n}))["result"] - 3_000_000
            else:
                answers[n] = structured(await peer.call_tool("add", {"a": n, "b": 0}))["result"]

        async with anyio.create_task_group() as tasks:
            for n in range(40):
                tasks.start_soon(ask, n)
    assert answers == {n: n for n in range(40)}


@watched
@every_way
async def test_a_cancelled_call_stops(shop: Workshop, transport: str, mode: str) -> None:
    """The client goes away from an endless call: the guest ends, and the session is as good as before."""
    before = children()
    async with client(shop, transport, mode) as peer:
        [server] = children() - before if transport == "stdio" else {shop.http.process.pid}
        assert await anyio.to_thread.run_sync(eventually, lambda: at_rest(server))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(peer.call_tool, "spin", {})
            assert await anyio.to_thread.run_sync(eventually, lambda: busy(server))
            assert structured(await peer.call_tool("add", {"a": 1, "b": 2})) == {"result": 3}
            tasks.cancel_scope.cancel()

        assert await anyio.to_thread.run_sync(eventually, lambda: at_rest(server))
        assert structured(await peer.call_tool("add", {"a": 2, "b": 2})) == {"result": 4}


@watched
@every_way
async def test_a_call_the_client_gives_up_on_stops(shop: Workshop, transport: str, mode: str) -> None:
    before = children()
    async with client(shop, transport, mode) as peer:
        [server] = children() - before if transport == "stdio" else {shop.http.process.pid}
        with pytest.raises(MCPError) as late:
            await peer.call_tool("spin", {}, read_timeout_seconds=0.3)
        assert late.value.error.code == types.REQUEST_TIMEOUT
        assert await anyio.to_thread.run_sync(eventually, lambda: at_rest(server))
        assert structured(await peer.call_tool("add", {"a": 2, "b": 2})) == {"result": 4}


@pytest.mark.parametrize("modes", [("legacy", "legacy"), ("legacy", MODERN), (MODERN, MODERN)])
async def test_a_cancellation_reaches_its_own_session_only(shop: Workshop, modes: tuple[str, str]) -> None:
    """Two clients number their requests alike; one of them cancels."""
    async with client(shop, "http", modes[0]) as one, client(shop, "http", modes[1]) as two:
        answers: list[Any] = []

        async def long_call() -> None:
            answers.append(structured(await two.call_tool("count", {"to": 300_000_000})))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(long_call)
            with anyio.move_on_after(0.1):
                await one.call_tool("spin", {})
        assert answers == [{"result": 300_000_000}]
        assert structured(await one.call_tool("add", {"a": 2, "b": 2})) == {"result": 4}


# --- eras and versions ---


@every_transport
@pytest.mark.parametrize("version", LEGACY_VERSIONS)
async def test_every_older_revision(shop: Workshop, transport: str, version: str) -> None:
    async with bare_session(shop, transport) as session:
        result = await handshake(session, version)
        assert result.protocol_version == version
        assert result.server_info.name == "workshop"
        assert [tool.name for tool in (await session.list_tools()).tools] == TOOLS
        called = await session.call_tool("add", {"a": 20, "b": 3})
        assert not called.is_error
        assert json.loads(text(called)) == {"result": 23}
        await session.send_ping()
        with pytest.raises(MCPError) as unknown:
            await session.call_tool("nonesuch", {})
        assert unknown.value.error.code == types.INVALID_PARAMS


@every_transport
async def test_a_version_nobody_knows_gets_the_newest_handshake(shop: Workshop, transport: str) -> None:
    async with bare_session(shop, transport) as session:
        assert (await handshake(session, "2031-01-01")).protocol_version == "2025-11-25"
        assert structured(await session.call_tool("add", {"a": 2, "b": 3})) == {"result": 5}


@every_transport
async def test_both_eras_in_turn_on_one_connection(shop: Workshop, transport: str) -> None:
    """Some clients look around in the new era and then open a session in the old one."""
    async with bare_session(shop, transport) as session:
        found = types.DiscoverResult.model_validate(await session.send_discover(MODERN))
        assert found.supported_versions == [MODERN]
        opened = await handshake(session, "2025-11-25")
        assert opened.protocol_version == "2025-11-25"
        assert structured(await session.call_tool("add", {"a": 2, "b": 3})) == {"result": 5}
        session.adopt(found)
        assert structured(await session.call_tool("add", {"a": 3, "b": 3})) == {"result": 6}
        session.adopt(opened)
        assert structured(await session.call_tool("add", {"a": 4, "b": 3})) == {"result": 7}
        await session.send_ping()


@every_transport
async def test_ping_is_of_the_older_era(shop: Workshop, transport: str) -> None:
    async with client(shop, transport, "legacy") as peer:
        await peer.session.send_ping()
    async with client(shop, transport, MODERN) as peer:
        with pytest.raises(MCPError) as gone:
            await peer.session.send_ping()
        assert gone.value.error.code == types.METHOD_NOT_FOUND


async def test_both_eras_on_one_server_at_once(shop: Workshop) -> None:
    async with client(shop, "http", "legacy") as old, client(shop, "http", MODERN) as new:
        for n in range(5):
            assert structured(await old.call_tool("add", {"a": n, "b": 1})) == {"result": n + 1}
            assert structured(await new.call_tool("add", {"a": n, "b": 2})) == {"result": n + 2}
        assert [t.name for t in (await old.list_tools()).tools] == [t.name for t in (await new.list_tools()).tools]
