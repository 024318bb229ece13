"""A command's schemas are free text to the core: arguments and results are held against them all the same. # C14"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import guests
from servers import HttpServer, http_server

SCHEMA = {
    "type": "object",
    "properties": {"count": {"type": "integer", "minimum": 1}, "big": {"type": "integer"}},
    "required": ["count"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpServer]:
    """The guest `echo` gives back what it was given."""
    promised = {"type": "object", "properties": {"count": {"maximum": 5}}}
    config = {
        "runtime": {"wasm": {"modules": [{"path": str(guests.build("echo")), "name": "echo"}]}},
        "mcp": {"tools": [{"name": "echo", "input_schema": SCHEMA, "output_schema": promised}]},
    }
    path: Path = tmp_path_factory.mktemp("config") / "config.json"
    path.write_text(json.dumps(config))
    with http_server("--config", str(path)) as running:
        yield running


def test_arguments_that_fit_reach_the_guest_without_loss(server: HttpServer) -> None:
    result = server.call("echo", {"count": 3, "big": 2**80}).json["result"]
    assert result["isError"] is False
    assert result["structuredContent"] == {"count": 3, "big": 2**80}


@pytest.mark.parametrize("arguments", [{}, {"count": 0}, {"count": "3"}, {"count": 3, "other": 1}])
def test_arguments_that_do_not_fit_never_reach_it(server: HttpServer, arguments: dict[str, object]) -> None:
    result = server.call("echo", arguments).json["result"]
    assert result["isError"] is True
    assert "invalid arguments" in result["content"][0]["text"]
    assert "io.mcpkit/usage" not in result.get("_meta", {})


def test_a_result_that_breaks_its_promise_is_an_error(server: HttpServer) -> None:
    result = server.call("echo", {"count": 9}).json["result"]
    assert result["isError"] is True
    assert "output schema" in result["content"][0]["text"]
    assert "structuredContent" not in result
    assert result["_meta"]["io.mcpkit/usage"]["computeUnits"] > 0
