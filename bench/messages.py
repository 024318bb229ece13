"""The requests the load generators send, in both eras of the protocol, and how an answer is checked."""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass, field

ID = 10000000  # the load generators count up from this number, always eight digits
A, B = 1234, 4321
ERAS = ("modern", "legacy")
VERSION = {"modern": "2026-07-28", "legacy": "2025-11-25"}
CLIENT = {"name": "bench", "version": "1"}


def _dump(message: object) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode()


def call(era: str) -> bytes:
    params: dict[str, object] = {"name": "add", "arguments": {"a": A, "b": B}}
    if era == "modern":
        prefix = "io.modelcontextprotocol/"
        params["_meta"] = {
            prefix + "protocolVersion": VERSION[era],
            prefix + "clientInfo": CLIENT,
            prefix + "clientCapabilities": {},
        }
    return _dump({"jsonrpc": "2.0", "id": ID, "method": "tools/call", "params": params})


def handshake(era: str) -> list[bytes]:
    """What a client says before its first call: nothing in the modern era."""
    if era == "modern":
        return []
    params = {"protocolVersion": VERSION[era], "capabilities": {}, "clientInfo": CLIENT}
    return [
        _dump({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}),
        _dump({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ]


@dataclass
class Session:
    """One client of one HTTP server: the headers of its calls, with the session's id where the server gave one."""

    port: int
    era: str
    headers: dict[str, str] = field(default_factory=dict)

    def open(self) -> Session:
        self.headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }
        for message in handshake(self.era):
            answer = self.exchange(message)
            for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n"):
                name, _, value = line.partition(b":")
                if name.lower() == b"mcp-session-id":
                    self.headers["Mcp-Session-Id"] = value.strip().decode()
            self.headers["MCP-Protocol-Version"] = VERSION[self.era]
        if self.era == "modern":
            self.headers |= {"MCP-Protocol-Version": VERSION["modern"], "Mcp-Method": "tools/call", "Mcp-Name": "add"}
        return self

    def exchange(self, body: bytes) -> bytes:
        """Send one POST on a new connection; the whole raw response."""
        head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        head += f"Content-Length: {len(body)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(head.encode() + body)
            data = b""
            while not _complete(data):
                more = connection.recv(1 << 16)
                if not more:
                    break
                data += more
        return data

    def check(self) -> bytes:
        """Make one call, insist on the right sum, give the raw response."""
        answer = self.exchange(call(self.era))
        head, _, body = answer.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200") or str(A + B).encode() not in body or str(ID).encode() not in body:
            raise SystemExit(
                f"bench: a wrong answer ({self.era}) on port {self.port}:\n{answer.decode(errors='replace')}"
            )
        return answer


def _complete(data: bytes) -> bool:
    head, separator, body = data.partition(b"\r\n\r\n")
    if not separator:
        return False
    if b"transfer-encoding: chunked" in head.lower():
        return body.endswith(b"0\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return True


def stand_in(era: str) -> bytes:
    """The bare responders' answer in a run without mcpkit: of the size and shape a server gives."""
    result: dict[str, object] = {
        "content": [{"type": "text", "text": str(A + B)}],
        "structuredContent": {"result": A + B},
        "isError": False,
        "_meta": {"mcpkit/usage": {"computeUnits": 4}},
    }
    if era == "modern":
        result["resultType"] = "complete"
    body = _dump({"jsonrpc": "2.0", "id": ID, "result": result})
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
