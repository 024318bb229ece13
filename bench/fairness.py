"""Small calls beside greedy ones: an addition's median latency on one worker, alone and beside a spinner and a filler.

The server has one processor for everything, guest threads included; the client is free to use the other.
"""

from __future__ import annotations

import json
import socket
import statistics
import time
from contextlib import ExitStack
from typing import Any

from bench import messages
from bench.paths import BUILD
from bench.peers import mcpkit
from bench.processes import Running, free_port, start

ENDLESS = ("--max-compute-units", "1_000_000_000_000_000", "--timeout", "10m")


def _request(name: str, arguments: dict[str, int], session: messages.Session) -> bytes:
    message = json.loads(messages.call("modern"))
    message["params"] |= {"name": name, "arguments": arguments}
    body = json.dumps(message).encode()
    headers = {**session.headers, "Mcp-Name": name, "Host": "127.0.0.1", "Content-Length": str(len(body))}
    head = "".join(f"{field}: {value}\r\n" for field, value in headers.items())
    return f"POST /mcp HTTP/1.1\r\n{head}\r\n".encode() + body


def _latencies(port: int, request: bytes, trips: int) -> list[float]:
    """Seconds of each round trip, one connection, one at a time."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        out = []
        for _ in range(trips):
            begin = time.perf_counter()
            connection.sendall(request)
            answer = connection.recv(65536)
            out.append(time.perf_counter() - begin)
            if b'"isError":false' not in answer:
                raise SystemExit(f"bench: a small call failed: {answer!r}")
    return out


def _figures(latencies: list[float]) -> dict[str, float]:
    ordered = sorted(latencies)
    return {"p50_us": statistics.median(ordered) * 1e6, "p99_us": ordered[int(len(ordered) * 0.99)] * 1e6}


def run(*, rounds: int, trips: int) -> dict[str, Any]:
    """`rounds` times: alone, then beside the greedy ones."""
    port = free_port()
    files = [str(BUILD / "add.wasm"), str(BUILD / "greedy.wasm")]
    server: Running = start("mcpkit", [*mcpkit(), "server", "--http", f"127.0.0.1:{port}", *files, *ENDLESS], port)
    figures: dict[str, Any] = {"alone": [], "beside": [], "trips": trips}
    try:
        server.wait_until_listening()
        session = messages.Session(port, "modern").open()
        small = _request("add", {"a": 40, "b": 2}, session)
        for _ in range(rounds):
            _latencies(port, small, trips // 10)
            figures["alone"].append(_figures(_latencies(port, small, trips)))
            with ExitStack() as greedy:
                for name in ("spin", "fill"):
                    one = greedy.enter_context(socket.create_connection(("127.0.0.1", port)))
                    one.sendall(_request(name, {"n": 1}, session))
                time.sleep(0.3)
                figures["beside"].append(_figures(_latencies(port, small, trips)))
            time.sleep(0.3)  # closing the connections cancels the calls
    finally:
        server.stop()
    return figures
