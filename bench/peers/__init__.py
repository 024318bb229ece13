"""How each server under test is started, over HTTP and over stdio."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from bench.paths import BENCH, BUILD
from bench.processes import python

PEERS = BENCH / "peers"
ADD = str(BUILD / "add.wasm")


def mcpkit() -> list[str]:
    """The console script of the installed package, else the same entry from the sources."""
    script = Path(sys.executable).with_name("mcpkit")
    if script.exists():
        return [sys.executable, str(script)]
    return python("-c", "import sys; from mcpkit.cli import main; sys.exit(main())")


@dataclass(frozen=True)
class Peer:
    name: str
    title: str
    speed: int = 1  # about how many times slower than a bare responder: fewer calls over stdio

    def http(self, port: int, answer: Path) -> list[str] | None:
        return {
            "bare_uvloop": python(str(PEERS / "bare_uvloop.py"), str(port), str(answer)),
            "bare_epoll": [str(BUILD / "bare_epoll"), str(port), str(answer)],
            "mcpkit": [*mcpkit(), "server", "--http", f"127.0.0.1:{port}", ADD],
            "go_sdk": [str(BUILD / "go_sdk"), "http", str(port)],
            "python_sdk": python(str(PEERS / "python_sdk.py"), "http", str(port)),
        }.get(self.name)

    def stdio(self) -> list[str] | None:
        return {
            "c_echo": [str(BUILD / "c_echo")],
            "mcpkit": [*mcpkit(), "server", ADD],
            "go_sdk": [str(BUILD / "go_sdk"), "stdio"],
            "python_sdk": python(str(PEERS / "python_sdk.py"), "stdio"),
        }.get(self.name)


ALL = (
    Peer("bare_epoll", "bare C responder (epoll)"),
    Peer("bare_uvloop", "bare uvloop responder"),
    Peer("c_echo", "bare C line echo"),
    Peer("mcpkit", "**mcpkit**"),
    Peer("go_sdk", "Go SDK", speed=10),
    Peer("python_sdk", "Python SDK", speed=50),
)
BY_NAME = {peer.name: peer for peer in ALL}
