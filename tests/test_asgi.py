"""MCP inside other ASGI applications: mounted in Starlette under uvicorn, and called in process. # N14"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect

from mcpkit.config import loads
from mcpkit.transport import AsgiApp, asgi_app
from servers import ADD_WAT, BOTH, Connection, http, initialize, legacy, modern, modern_headers
from transports import ENDLESS_CALL, Running, free_port

CALL = modern("tools/call", {"name": "add", "arguments": {"a": 2, "b": 3}})

# Three lines put MCP into an application that is there already.
HOST_APPLICATION = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

async def home(request):
    return PlainTextResponse("home")

from mcpkit.transport import asgi_app
mcp = asgi_app("config.json")
app = Starlette(routes=[Route("/", home), Route("/tools/mcp", mcp), WebSocketRoute("/tools/ws", mcp)])
"""

# Tools written in Python, which talk while they run.
NATIVE_APPLICATION = """
import asyncio
import pathlib

import mcpkit
from mcpkit import Context
from mcpkit.transport import asgi_app

server = mcpkit.Server("native")
released, begun, cancelled = asyncio.Event(), pathlib.Path("begun"), pathlib.Path("cancelled")

@server.tool
async def slow(ctx: Context) -> str:
    "Reports progress and waits to be released."
    ctx.progress(1, 2)
    begun.touch()
    try:
        await released.wait()
    except asyncio.CancelledError:
        cancelled.touch()
        raise
    return "done"

@server.tool
async def release() -> str:
    "Lets slow go on."
    released.set()
    return "released"

@server.tool
async def chatter(ctx: Context) -> str:
    "Reports more progress than anybody reads."
    for i in range(20_000):
        ctx.progress(i + 1, message="x" * 1000)
        if i % 100 == 0:
            await asyncio.sleep(0)
    return "done"

app = asgi_app(server.application())
"""


@contextmanager
def uvicorn(source: str) -> Iterator[tuple[Running, Path]]:
    """`python -m uvicorn` on an application of this source, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        (folder / "add.wat").write_text(ADD_WAT)
        (folder / "config.json").write_text(json.dumps({"runtime": {"wasm": {"module_path": "add.wat"}}}))
        (folder / "embedding.py").write_text(source)
        log = folder / "stderr"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path])}
        with log.open("wb") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "embedding:app", "--port", str(port)],
                cwd=folder,
                stderr=stderr,
                stdout=stderr,
                env=environment,
            )
        running = Running(process, port, log)
        try:
            for _ in range(400):
                if running.lines("Uvicorn running"):
                    break
                assert process.poll() is None, log.read_text()
                time.sleep(0.05)
            yield running, folder
            assert process.poll() is None, log.read_text()
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            finally:
                process.kill()
        assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="module")
def mounted() -> Iterator[Running]:
    with uvicorn(HOST_APPLICATION) as (running, _):
        yield running


@pytest.fixture(scope="module")
def native() -> Iterator[tuple[Running, Path]]:
    with uvicorn(NATIVE_APPLICATION) as found:
        yield found


def ask(server: Running, *request: Any, path: str = "/tools/mcp", **more: Any) -> Any:
    with server.connect() as connection:
        connection.send(http(*request, path=path, **more))
        return connection.receive()


def test_mounted_beside_other_routes(mounted: Running) -> None:
    assert ask(mounted, b"", method="GET", path="/").body == b"home"
    answer = ask(mounted, CALL, modern_headers("tools/call", "add"))
    assert answer.json["result"]["structuredContent"] == {"result": 5}
    assert answer.headers["content-type"] == "application/json"


def test_sessions_of_the_older_era(mounted: Running) -> None:
    opened = ask(mounted, initialize())
    session = opened.headers["mcp-session-id"]
    assert ask(mounted, legacy("ping"), {"Mcp-Session-Id": session}).json["result"] == {}
    assert ask(mounted, b"", {"Mcp-Session-Id": session}, method="DELETE").status == 200
    assert ask(mounted, legacy("ping"), {"Mcp-Session-Id": session}).status == 404


def test_every_check_of_the_endpoint_holds(mounted: Running) -> None:
    assert ask(mounted, CALL, modern_headers("tools/call", "other")).status == 400
    assert ask(mounted, initialize(), {"Host": "evil.example"}).status == 421
    assert ask(mounted, initialize(), {"Origin": "https://evil.example"}).status == 403
    assert ask(mounted, initialize(), {"Accept": "text/html"}).status == 406
    assert ask(mounted, b"", method="PUT").status == 405
    assert ask(mounted, {"jsonrpc": "2.0", "method": "x"}, {"MCP-Protocol-Version": "2026-07-28"}).status == 202
    assert ask(mounted, b" " * (5 << 20)).status == 413


def test_long_calls_end_when_their_client_goes_away(mounted: Running) -> None:
    for _ in range(4):
        with mounted.connect() as connection:
            spin = modern("tools/call", ENDLESS_CALL)
            connection.send(http(spin, modern_headers("tools/call", "spin"), path="/tools/mcp"))
            time.sleep(0.05)
    assert ask(mounted, CALL, modern_headers("tools/call", "add")).status == 200


def test_websockets_too(mounted: Running) -> None:
    async def main() -> None:
        async with connect(f"ws://127.0.0.1:{mounted.port}/tools/ws", proxy=None) as connection:
            await connection.send(json.dumps(CALL))
            assert json.loads(await connection.recv())["result"]["structuredContent"] == {"result": 5}

    asyncio.run(main())


# --- answers that stream ---

TOKEN = {"progressToken": "p"}


def events(connection: Connection) -> Iterator[Any]:
    """Messages of the stream that an answer has become."""
    head = connection.read_until(b"\r\n\r\n")
    assert b"text/event-stream" in head, head
    while True:
        text = connection.read_until(b"\n\n").decode()
        data = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
        if data:
            yield json.loads(data[0])


def test_progress_arrives_while_the_call_runs(native: tuple[Running, Path]) -> None:
    server, _ = native
    with server.connect() as connection:
        call = modern("tools/call", {"name": "slow", "arguments": {}}, meta=TOKEN)
        connection.send(http(call, modern_headers("tools/call", "slow")))
        stream = events(connection)
        assert next(stream)["params"]["progress"] == 1  # and the call has not ended: nobody has released it yet
        release = modern("tools/call", {"name": "release", "arguments": {}})
        assert ask(server, release, modern_headers("tools/call", "release"), path="/").status == 200
        assert next(stream)["result"]["content"][0]["text"] == "done"


def until(condition: Any) -> bool:
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.02)
    return False


def test_a_client_that_goes_away_cancels_python_too() -> None:
    with uvicorn(NATIVE_APPLICATION) as (server, folder):
        with server.connect() as connection:
            call = modern("tools/call", {"name": "slow", "arguments": {}}, meta=TOKEN)
            connection.send(http(call, modern_headers("tools/call", "slow")))
            assert until((folder / "begun").exists)
        assert until((folder / "cancelled").exists)


# --- in process ---


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 30))


@pytest.fixture
def embedded(tmp_path: Path) -> AsgiApp:
    (tmp_path / "add.wat").write_text(ADD_WAT)
    return asgi_app(loads("runtime: {wasm: {module_path: add.wat}}", folder=tmp_path))


def headers(name: str) -> dict[str, str]:
    return {k: v for k, v in modern_headers("tools/call", name).items() if v is not None} | {"Accept": BOTH}


def test_in_process_without_a_server_or_a_lifespan(embedded: AsgiApp) -> None:
    async def main() -> None:
        transport = httpx.ASGITransport(app=embedded)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            calls = (client.post("/", json=CALL, headers=headers("add")) for _ in range(20))
            for answer in await asyncio.gather(*calls):
                assert answer.json()["result"]["structuredContent"] == {"result": 5}
            assert (await client.post("/mcp", json=initialize(), headers={"Accept": BOTH})).status_code == 200
        async with httpx.AsyncClient(transport=transport, base_url="http://evil.example") as client:
            assert (await client.post("/mcp", json=initialize())).status_code == 421
        await embedded.aclose()

    run(main())


def test_calls_that_leave_the_first_slice_come_back(tmp_path: Path) -> None:
    (tmp_path / "add.wat").write_text(ADD_WAT)
    limits = "limits: {execution_time: 200ms}"
    app = asgi_app(loads(f"runtime: {{wasm: {{module_path: add.wat}}, {limits}}}", folder=tmp_path))

    async def main() -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost") as client:
            answer = await client.post("/mcp", json=modern("tools/call", ENDLESS_CALL), headers=headers("spin"))
            assert answer.json()["result"]["isError"] is True
        await app.aclose()

    run(main())


def test_another_event_loop_once_the_first_is_gone(tmp_path: Path) -> None:
    from mcpkit.application import Application

    (tmp_path / "add.wat").write_text(ADD_WAT)

    async def main(app: AsgiApp) -> None:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.post("/mcp", json=CALL, headers=headers("add"))
            assert answer.json()["result"]["structuredContent"] == {"result": 5}
        await app.aclose()

    with Application(loads("runtime: {wasm: {module_path: add.wat}}", folder=tmp_path)) as application:
        app = asgi_app(application)
        run(main(app))
        run(main(app))


def test_the_lifespan_ends_what_it_began(embedded: AsgiApp) -> None:
    said: list[str] = []

    async def main() -> None:
        turns = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> dict[str, Any]:
            return {"type": next(turns)}

        async def send(message: Any) -> None:
            said.append(message["type"])

        await embedded({"type": "lifespan"}, receive, send)

    run(main())
    assert said == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
