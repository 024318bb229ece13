"""Clients that know HTTP and nothing of MCP: curl and the standard library. # C05 C07"""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clients.workshop import TOOLS, Workshop, workshop
from servers import BOTH, initialize, legacy, modern, modern_headers


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with workshop(tmp_path_factory.mktemp("workshop")) as running:
        yield running


def modern_call(name: str, **arguments: Any) -> tuple[Any, dict[str, str]]:
    headers = {key: value for key, value in modern_headers("tools/call", name).items() if value is not None}
    body = modern("tools/call", {"name": name, "arguments": arguments})
    return body, headers | {"Accept": BOTH, "Content-Type": "application/json"}


# --- the standard library ---


def test_http_client_keeps_one_connection(shop: Workshop) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shop.http.port, timeout=20)

    def post(body: Any, headers: dict[str, str]) -> tuple[http.client.HTTPResponse, bytes]:
        connection.request("POST", "/mcp", json.dumps(body), headers)
        response = connection.getresponse()
        return response, response.read()

    usual = {"Accept": BOTH, "Content-Type": "application/json"}
    response, answer = post(initialize(), usual)
    assert response.status == 200
    local = connection.sock.getsockname()
    usual |= {"Mcp-Session-Id": response.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}
    assert json.loads(answer)["result"]["serverInfo"]["name"] == "workshop"

    response, answer = post({"jsonrpc": "2.0", "method": "notifications/initialized"}, usual)
    assert (response.status, answer) == (202, b"")
    response, answer = post(legacy("tools/list", id=2), usual)
    assert [tool["name"] for tool in json.loads(answer)["result"]["tools"]] == TOOLS
    response, answer = post(*modern_call("add", a=2, b=3))
    assert json.loads(answer)["result"]["structuredContent"] == {"result": 5}

    connection.request("DELETE", "/mcp", headers=usual)
    response = connection.getresponse()
    response.read()
    assert response.status in (200, 204)
    response, answer = post(legacy("tools/list", id=3), usual)
    assert response.status == 404

    assert connection.sock.getsockname() == local
    connection.close()


def test_http_client_sends_chunks(shop: Workshop) -> None:
    body, headers = modern_call("echo", text="ß" * 5_000)
    data = json.dumps(body, ensure_ascii=False).encode()
    connection = http.client.HTTPConnection("127.0.0.1", shop.http.port, timeout=20)
    pieces = (data[at : at + 777] for at in range(0, len(data), 777))  # characters of two bytes are cut in half
    connection.request("POST", "/mcp", pieces, headers, encode_chunked=True)
    response = connection.getresponse()
    assert response.status == 200
    assert json.loads(response.read())["result"]["structuredContent"] == {"result": "ß" * 5_000}
    connection.close()


# --- curl ---


@pytest.fixture
def curl() -> str:
    found = shutil.which("curl")
    if not found:
        pytest.skip("needs curl: apt-get install curl")
    return found


def ask(curl: str, *args: str, stdin: bytes = b"") -> bytes:
    command = [curl, "--silent", "--show-error", "--max-time", "20", "--noproxy", "*", *args]
    return subprocess.run(command, input=stdin, capture_output=True, check=True, timeout=30).stdout


def as_options(headers: dict[str, str]) -> list[str]:
    return [part for key, value in headers.items() for part in ("--header", f"{key}: {value}")]


def test_curl_calls_a_tool(shop: Workshop, curl: str) -> None:
    body, headers = modern_call("add", a=20, b=22)
    answer = ask(curl, *as_options(headers), "--fail", "--data-binary", json.dumps(body), shop.http.url)
    assert json.loads(answer)["result"]["structuredContent"] == {"result": 42}


def test_curl_reuses_its_connection(shop: Workshop, curl: str) -> None:
    body, headers = modern_call("add", a=20, b=22)
    one = [*as_options(headers), "--data-binary", json.dumps(body), "--write-out", "\n%{num_connects}\n", shop.http.url]
    answers = ask(curl, *one, "--next", "--noproxy", "*", *one).decode().split("\n")
    assert [json.loads(answers[at])["result"]["structuredContent"] for at in (0, 2)] == [{"result": 42}] * 2
    assert [answers[1], answers[3]] == ["1", "0"]


def test_curl_waits_to_be_asked_for_a_large_body(shop: Workshop, curl: str, tmp_path: Path) -> None:
    """Expect: 100-continue, which curl sends by itself for large bodies and waits a second for."""
    words = "a line\n" * 50_000
    body, headers = modern_call("echo", text=words)
    options = [*as_options(headers), "--header", "Expect: 100-continue", "--expect100-timeout", "15"]
    heads = tmp_path / "heads"
    options += ["--dump-header", str(heads), "--data-binary", "@-", shop.http.url]
    answer = ask(curl, *options, stdin=json.dumps(body).encode())
    assert heads.read_text().startswith("HTTP/1.1 100 ")
    assert json.loads(answer)["result"]["structuredContent"] == {"result": words}


def test_curl_chunks_what_it_reads_from_a_pipe(shop: Workshop, curl: str) -> None:
    body, headers = modern_call("echo", text="x" * 100_000)
    options = [*as_options(headers), "--header", "Transfer-Encoding: chunked", "--data-binary", "@-", shop.http.url]
    answer = ask(curl, *options, stdin=json.dumps(body).encode())
    assert json.loads(answer)["result"]["structuredContent"] == {"result": "x" * 100_000}


def test_curl_shows_a_refusal(shop: Workshop, curl: str) -> None:
    """What a person sees who only typed the address."""
    answer = ask(curl, "--write-out", "\n%{http_code}", shop.http.url).decode()
    assert answer.endswith("\n400"), answer
    assert "Mcp-Session-Id" in answer
