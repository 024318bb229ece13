"""stdio with tools written in Python: they run on an event loop of their own and talk while they run. # C07 C09"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mcpkit.config import loads
from mcpkit.transport import Http, Stdio, Transport, WebSocket, transport_for
from servers import ADD_WAT, initialize, legacy, modern

SERVER = """
import asyncio, sys
import mcpkit
from mcpkit import Context

server = mcpkit.Server("native")
released = asyncio.Event()

@server.tool
async def slow(ctx: Context) -> str:
    "Waits to be released."
    ctx.progress(1, 2)
    await released.wait()
    return "done"

@server.tool
async def release() -> str:
    "Lets slow go on."
    released.set()
    return "released"

@server.tool
def where() -> str:
    "Prints, which must not reach the protocol."
    print("not a message")
    return "here"

server.add_module(sys.argv[1])
server.run("stdio")
"""


class Client:
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process

    def send(self, message: Any) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()

    def receive(self) -> Any:
        assert self.process.stdout
        return json.loads(self.process.stdout.readline())


@contextmanager
def native(folder: Any) -> Iterator[Client]:
    module = folder / "add.wat"
    module.write_text(ADD_WAT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(module)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
    )
    watchdog = threading.Timer(40, process.kill)
    watchdog.start()
    try:
        yield Client(process)
        out, error = process.communicate(timeout=20)
        assert (process.returncode, out) == (0, b""), error.decode()
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            assert pipe
            pipe.close()


def call(name: str, id: Any = 1, **arguments: Any) -> Any:
    return modern("tools/call", {"name": name, "arguments": arguments}, id=id, meta={"progressToken": id})


def test_python_and_webassembly_side_by_side(tmp_path: Any) -> None:
    with native(tmp_path) as client:
        client.send(call("slow", 1))
        progress = client.receive()
        assert (progress["method"], progress["params"]["progressToken"]) == ("notifications/progress", 1)
        client.send(call("add", 2, a=2, b=3))
        answer = client.receive()
        assert (answer["id"], answer["result"]["structuredContent"]) == (2, {"result": 5})
        client.send(call("where", 3))
        assert client.receive()["result"]["content"][0]["text"] == "here"
        client.send(call("release", 4))
        assert {client.receive()["id"], client.receive()["id"]} == {1, 4}


def test_both_eras_and_cancellation(tmp_path: Any) -> None:
    with native(tmp_path) as client:
        client.send(initialize())
        assert client.receive()["result"]["serverInfo"]["name"] == "native"
        slow = {"name": "slow", "arguments": {}, "_meta": {"progressToken": "a"}}
        client.send(legacy("tools/call", slow, id="a"))
        assert client.receive()["method"] == "notifications/progress"
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "a"}})
        client.send(legacy("ping", id="b"))
        assert client.receive()["id"] == "b"


def test_answers_under_way_at_the_end_of_input_are_still_given(tmp_path: Any) -> None:
    with native(tmp_path) as client:
        client.send(call("slow", 1))
        client.receive()
        client.send(call("release", 2))
        assert client.process.stdin
        client.process.stdin.close()
        assert {client.receive()["id"], client.receive()["id"]} == {1, 2}
        client.process.stdin = open(os.devnull, "wb")  # noqa: SIM115, PTH123 -- closed with the others


def test_a_server_of_webassembly_alone_has_no_event_loop(tmp_path: Any) -> None:
    (tmp_path / "add.wat").write_text(ADD_WAT)
    script = (
        "import sys, threading\n"
        "from mcpkit.config import loads\n"
        "from mcpkit.application import Application\n"
        "from mcpkit.transport import run_stdio\n"
        "with Application(loads('runtime: {wasm: {module_path: add.wat}}')) as app: run_stdio(app)\n"
        "print('mcpkit-loop' in [t.name for t in threading.enumerate()], 'uvloop' in sys.modules, file=sys.stderr)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    text = json.dumps(modern("tools/call", {"name": "add", "arguments": {"a": 1, "b": 1}})).encode() + b"\n"
    done = subprocess.run(
        [sys.executable, "-c", script], input=text, capture_output=True, cwd=tmp_path, env=environment, timeout=60
    )
    assert json.loads(done.stdout)["result"]["structuredContent"] == {"result": 2}
    assert done.stderr.decode().split()[-2:] == ["False", "False"]


def test_one_interface_for_every_transport() -> None:
    for kind, expected in (("stdio", Stdio), ("http", Http), ("websocket", WebSocket), ("web_socket", WebSocket)):
        transport = transport_for(loads(f"transport: {{type: {kind}}}"))
        assert type(transport) is expected
        assert isinstance(transport, Transport)
