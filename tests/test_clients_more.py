"""The Inspector's command line and the client of fastmcp, over stdio and HTTP, in both eras. # C05 C06 C07"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from clients import node
from clients.workshop import TOOLS, Workshop, workshop

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
INSPECTOR = Path(__file__).parent / "clients" / "inspector"
NODE = (22, 19)  # what the Inspector asks for
TRANSPORTS = ["stdio", "http"]

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@dataclass
class Place:
    """A server, and a project folder whose .mcp.json `mcpkit install` has written both ways to it into."""

    shop: Workshop
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / ".mcp.json"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("workshop")
    with workshop(folder) as shop:
        for words in (
            ["--name", "stdio", "--config", str(shop.config), "--env", f"PYTHONPATH={shop.env['PYTHONPATH']}"],
            ["--name", "http", "--http", shop.http.url],
        ):
            command = [
                sys.executable,
                "-m",
                "mcpkit",
                "install",
                "--client",
                "claude-code",
                "--scope",
                "project",
                *words,
            ]
            subprocess.run(command, cwd=folder, env={**os.environ, **shop.env}, check=True, capture_output=True)
        yield Place(shop, folder)


# --- the Inspector ---

Inspect = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def inspect(place: Place) -> Inspect:
    """Runs the Inspector's command line with the servers of .mcp.json; gives what it printed as JSON."""
    found = node.find(NODE)
    program = node.install(found, INSPECTOR) / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"

    def go(transport: str, era: str, method: str, *words: str, status: int = 0) -> dict[str, Any]:
        where = ["--config", str(place.config), "--server", transport]
        command = [found.program, str(program), "--cli", *where, "--protocol-era", era, "--format", "json"]
        ended = subprocess.run(
            [*command, "--method", method, *words],
            env={**found.env, "HOME": str(place.folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ended.returncode == status, ended.stderr
        complaints = [line for line in ended.stderr.splitlines() if line.startswith("{")]  # beside the server's log
        said = [json.loads(text) for text in (ended.stdout, *complaints) if text.strip()]
        return {key: value for part in said for key, value in part.items()}

    return go


every_era = pytest.mark.parametrize("era", ["legacy", "auto", "modern"])


@every_transport
@every_era
def test_the_inspector_lists_and_calls(inspect: Inspect, transport: str, era: str) -> None:
    listed = inspect(transport, era, "tools/list")["result"]
    assert [tool["name"] for tool in listed["tools"]] == TOOLS

    added = inspect(transport, era, "tools/call", "--tool-name", "add", "--tool-arg", "a=2", "--tool-arg", "b=40")
    assert added["result"]["structuredContent"] == {"result": 42}
    assert added["result"]["_meta"]["io.mcpkit/usage"]["computeUnits"] > 0

    words = json.dumps({"text": 'quo"te \\ ☃ 𝄞'})
    echoed = inspect(transport, era, "tools/call", "--tool-name", "echo", "--tool-args-json", words)
    assert echoed["result"]["structuredContent"] == {"result": 'quo"te \\ ☃ 𝄞'}


@every_transport
@every_era
def test_the_inspector_is_told_of_failures(inspect: Inspect, transport: str, era: str) -> None:
    divided = inspect(
        transport, era, "tools/call", "--tool-name", "divide", "--tool-args-json", '{"a":1,"b":0}', status=5
    )
    assert divided["result"]["content"] == [{"type": "text", "text": "division by zero"}]
    assert divided["error"]["code"] == "tool_is_error"
    unknown = inspect(transport, era, "tools/call", "--tool-name", "nonesuch", status=5)
    assert unknown["error"]["code"] == "tool_not_found"


# --- fastmcp ---

pytest.importorskip("fastmcp", reason="pip install 'fastmcp-slim[client]', or pip install --group test")

import mcp_types as types  # noqa: E402
from fastmcp import Client  # noqa: E402
from fastmcp.exceptions import ToolError  # noqa: E402
from mcp import MCPError  # noqa: E402

REVISIONS = {"legacy": LEGACY, "auto": MODERN, MODERN: MODERN}
every_mode = pytest.mark.parametrize("mode", REVISIONS)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def only(place: Place, name: str) -> dict[str, Any]:
    """What .mcp.json says of one of its servers."""
    entries = json.loads(place.config.read_text(encoding="utf-8"))["mcpServers"]
    return {"mcpServers": {name: entries[name]}}


@pytest.mark.anyio
@every_transport
@every_mode
async def test_fastmcp_lists_and_calls(place: Place, transport: str, mode: Any) -> None:
    async with Client(only(place, transport), mode=mode, timeout=20) as client:
        assert client.protocol_version == REVISIONS[mode]
        assert [tool.name for tool in await client.list_tools()] == TOOLS
        result = await client.call_tool("add", {"a": 2, "b": 40})
        assert result.data.result == 42  # checked against the output schema
        assert result.structured_content == {"result": 42}
        assert result.meta is not None
        assert result.meta["io.mcpkit/usage"]["computeUnits"] > 0
        words = 'quo"te \\ \n ☃ 𝄞' + "é" * 5000
        assert (await client.call_tool("echo", {"text": words})).data.result == words


@pytest.mark.anyio
@every_transport
@every_mode
async def test_fastmcp_is_told_of_failures(place: Place, transport: str, mode: Any) -> None:
    async with Client(only(place, transport), mode=mode, timeout=20) as client:
        with pytest.raises(ToolError, match="division by zero"):
            await client.call_tool("divide", {"a": 1, "b": 0})
        refused = await client.call_tool("fail", {}, raise_on_error=False)
        assert refused.is_error
        block = refused.content[0]
        assert isinstance(block, types.TextContent)
        with pytest.raises((ToolError, MCPError), match="nonesuch"):
            await client.call_tool("nonesuch", {})
        assert (await client.call_tool("add", {"a": 1, "b": 1})).data.result == 2
