"""Tools in Python that a configuration names. # A01"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mcpkit import Server
from mcpkit.config import ConfigError, loads
from mcpkit.native import DefinitionError
from mcpkit.native.handlers import registry_of
from servers import ADD_WAT, command, http_server, modern

TOOLS = """
import asyncio

async def greet(name: str, times: int = 1) -> str:
    "Greets someone."
    return " ".join([f"hello {name}"] * times)

async def slow() -> str:
    await asyncio.sleep(30)
    return "late"

class Group:
    @staticmethod
    def inside(x: int) -> int:
        return x + 1

text = "no function"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "my_tools.py").write_text(TOOLS)
    (tmp_path / "add.wat").write_text(ADD_WAT)
    return tmp_path


def write(folder: Path, text: str) -> Path:
    config = folder / "c.yaml"
    config.write_text(text)
    return config


def called(server: Any, name: str, arguments: object) -> Any:
    return server.call(name, arguments).json["result"]


def test_native_serves_python_alone(folder: Path) -> None:
    config = write(
        folder,
        """
runtime: {type: native, limits: {execution_time: 300ms}}
mcp:
  tools:
    - {name: greet, handler: "my_tools.py:greet"}
    - {name: inside, handler: "my_tools.py:Group.inside", description: One more.}
    - {name: slow, handler: "my_tools.py:slow"}
""",
    )
    with http_server("--config", str(config)) as server:
        listed = server.ask(modern("tools/list"), {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"})
        tools = {tool["name"]: tool for tool in listed.json["result"]["tools"]}
        assert tools["greet"]["description"] == "Greets someone."
        assert set(tools["greet"]["inputSchema"]["properties"]) == {"name", "times"}
        assert tools["inside"]["description"] == "One more."
        assert called(server, "greet", {"name": "Ada", "times": 2})["content"][0]["text"] == "hello Ada hello Ada"
        assert called(server, "inside", {"x": 1})["structuredContent"] == {"result": 2}
        late = called(server, "slow", {})
        assert late["isError"]
        assert "0.3" in late["content"][0]["text"]


def test_handlers_and_modules_in_one_server(folder: Path) -> None:
    config = write(
        folder,
        """
runtime: {wasm: {module_path: add.wat}}
mcp: {tools: [{name: greet, handler: "my_tools:greet"}]}
""",
    )
    with http_server("--config", str(config)) as server:
        assert called(server, "add", {"a": 1, "b": 2})["structuredContent"] == {"result": 3}
        assert called(server, "greet", {"name": "Ada"})["content"][0]["text"] == "hello Ada"


def test_over_stdio(folder: Path) -> None:
    config = write(folder, 'runtime: {type: native}\nmcp: {tools: [{name: greet, handler: "my_tools.py:greet"}]}')
    asked = json.dumps(modern("tools/call", {"name": "greet", "arguments": {"name": "Ada"}})) + "\n"
    words = command("server", "--config", str(config))
    run = subprocess.run(words, input=asked, capture_output=True, text=True, check=True)
    assert json.loads(run.stdout)["result"]["content"][0]["text"] == "hello Ada"


def test_a_server_in_python_serves_them_too(folder: Path) -> None:
    config = write(folder, 'mcp: {tools: [{name: hi, handler: "my_tools.py:greet"}]}')
    server = Server("mixed", config=config)

    @server.tool
    def other() -> str:
        return "x"

    assert set(server.registry.tools) == {"hi", "other"}


@pytest.mark.parametrize(
    ("handler", "says"),
    [
        ("my_tools.py:nothing", "has no nothing"),
        ("my_tools.py:text", "is no function"),
        ("absent.py:f", "there is no file"),
        ("absent_module_of_ours:f", "there is no module absent_module_of_ours"),
        ("broken.py:f", "SyntaxError"),
        ("raises.py:f", "RuntimeError: at import"),
        ("untyped.py:f", "handler of 't'"),
    ],
)
def test_what_cannot_be_served_names_the_entry(folder: Path, handler: str, says: str) -> None:
    (folder / "broken.py").write_text("def f(:")
    (folder / "raises.py").write_text("raise RuntimeError('at import')")
    (folder / "untyped.py").write_text("def f(x: object()): pass")
    text = f"mcp:\n  tools:\n    - {{name: t, handler: '{handler}'}}"
    config = write(folder, text)
    with pytest.raises(DefinitionError, match=says) as error:
        registry_of(loads(text, str(config), folder=folder).handlers())
    assert f"{config}:3" in str(error.value)
    run = subprocess.run(command("server", "--config", str(config)), capture_output=True, text=True, check=False)
    assert run.returncode == 8
    assert f"{config}:3" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("runtime: {type: native, wasm: {modules: [{path: add.wat}]}}", "native runs no modules"),
        ("mcp: {tools: [{name: t, handler: nonsense}]}", "must be MODULE:FUNCTION"),
        ("mcp: {tools: [{name: t, handler: 'a:b', module: m}]}", "not both"),
    ],
)
def test_configurations_that_mean_nothing(folder: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        loads(text, "c.yaml", folder=folder)
