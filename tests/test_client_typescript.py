"""The official TypeScript clients, versions 2 and 1, over stdio and HTTP, in both eras. # C05 C06 C07 N07"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from clients import node
from clients.workshop import LEGACY_VERSIONS, TOOLS, Workshop, watched, workshop

MODERN = "2026-07-28"
NEWEST_LEGACY = LEGACY_VERSIONS[-1]
TRANSPORTS = ["stdio", "http"]
# program, mode, the revision they meet at
WAYS = [
    pytest.param("client-v2.mjs", "legacy", NEWEST_LEGACY, id="v2-legacy"),
    pytest.param("client-v2.mjs", "auto", MODERN, id="v2-auto"),
    pytest.param("client-v2.mjs", {"pin": MODERN}, MODERN, id="v2-pinned"),
    pytest.param("client-v1.mjs", None, NEWEST_LEGACY, id="v1"),
]

every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
every_way = pytest.mark.parametrize(("program", "mode", "version"), WAYS)

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    with workshop(tmp_path_factory.mktemp("workshop")) as running:
        yield running


@pytest.fixture(scope="module")
def run(shop: Workshop, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs one client program against a server; gives its report."""
    found = node.find()
    folder = node.workplace(tmp_path_factory.mktemp("node"), node.install(found))

    def go(program: str, transport: str, *steps: dict[str, Any], **task: Any) -> dict[str, Any]:
        if transport == "http":
            task |= {"url": shop.http.url, "pid": shop.http.process.pid}
        else:
            task |= {"command": shop.command, "env": shop.env}
        argument = json.dumps({**task, "steps": steps})
        command = [found.program, str(folder / program), argument]
        ended = subprocess.run(command, env=found.env, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr
        report: dict[str, Any] = json.loads(ended.stdout)
        assert "failed" not in report, report["failed"]
        return report

    return go


def call(name: str, /, **args: Any) -> dict[str, Any]:
    return {"do": "call", "name": name, "args": args}


def structured(result: dict[str, Any]) -> Any:
    """The structured content, which the text block repeats as JSON."""
    assert not result.get("isError"), result
    [block] = result["content"]
    assert json.loads(block["text"]) == result["structuredContent"]
    return result["structuredContent"]


@every_transport
@every_way
def test_a_session(run: Run, transport: str, program: str, mode: Any, version: str) -> None:
    words = 'quo"te \\ \n \x00 naïve ☃ 𝄞 \u2028' + "é" * 10_000
    report = run(
        program,
        transport,
        {"do": "list"},
        call("add", a=2, b=40),
        call("echo", text=words),
        call("divide", a=7, b=2),
        call("divide", a=1, b=0),
        call("fail"),
        call("add", a=1, b="two"),
        call("nonesuch"),
        {"do": "many", "count": 30},
        {**call("add", a=3, b=4), "meta": {"com.example/tag": ["x", {}]}},
        mode=mode,
    )
    assert report["stray"] == []
    assert report["version"] == version
    assert report["server"] == {"name": "workshop", "version": "7.1"}
    assert report["instructions"] == "Add before you divide."
    assert set(report["capabilities"]) == {"tools"}
    assert bool(report["session"]) == (transport == "http" and version != MODERN)
    if version == MODERN:
        assert report["discovered"]["supportedVersions"] == [MODERN]

    listed, added, echoed, divided, refused, trapped, mistyped, unknown, many, tagged = report["seen"]
    assert [tool["name"] for tool in listed["tools"]] == TOOLS
    assert listed["tools"][0]["inputSchema"]["properties"]["a"]["type"] == "integer"
    assert structured(added) == {"result": 42}
    assert added["_meta"]["io.mcpkit/usage"]["computeUnits"] > 0  # N02
    assert structured(echoed) == {"result": words}
    assert structured(divided) == {"result": 3}
    assert (refused["isError"], refused["content"]) == (True, [{"type": "text", "text": "division by zero"}])
    assert (trapped["isError"], trapped["_meta"]["io.mcpkit/error"]) == (True, {"kind": "trap"})
    assert (mistyped["isError"], mistyped["_meta"]["io.mcpkit/error"]) == (True, {"kind": "bad_arguments"})
    assert unknown["error"]["code"] == -32602
    assert "nonesuch" in unknown["error"]["message"]
    assert many == list(range(1, 31))
    assert structured(tagged) == {"result": 7}


@watched
@every_transport
@every_way
def test_a_cancelled_call_stops(run: Run, transport: str, program: str, mode: Any, version: str) -> None:
    """An abort signal ends the guest, not only the waiting for it; the connection goes on."""
    cancel = {"do": "cancel", "name": "spin", "args": {}}
    report = run(program, transport, cancel, call("add", a=2, b=2), mode=mode)
    cancelled, added = report["seen"]
    assert cancelled["worked"]
    assert "enough" in cancelled["outcome"]["error"]["message"]
    assert cancelled["stopped"]
    assert structured(added) == {"result": 4}
    # A legacy POST has to be answered with something, which the client takes for a stray; elsewhere silence is due.
    late = [line for line in report["stray"] if not ("unknown message ID" in line and "cancelled" in line)]
    assert late == []
    if (transport, version) != ("http", NEWEST_LEGACY):
        assert report["stray"] == []


@every_transport
@pytest.mark.parametrize("version", LEGACY_VERSIONS)
def test_every_older_revision(run: Run, transport: str, version: str) -> None:
    """Each asked for by name."""
    steps = ({"do": "ping"}, {"do": "list"}, call("add", a=20, b=3))
    report = run("client-v2.mjs", transport, *steps, mode="legacy", versions=[version])
    assert report["version"] == version
    pinged, listed, added = report["seen"]
    assert pinged == {}
    assert [tool["name"] for tool in listed["tools"]] == TOOLS
    assert structured(added) == {"result": 23}


@every_transport
def test_a_client_of_every_revision_may_ask_for_the_newest_first(run: Run, transport: str) -> None:
    """`auto` with older revisions at hand meets at the newest; nothing falls back."""
    report = run("client-v2.mjs", transport, call("add", a=1, b=2), mode="auto", versions=[MODERN, *LEGACY_VERSIONS])
    assert report["version"] == MODERN
    assert structured(report["seen"][0]) == {"result": 3}
