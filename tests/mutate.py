"""Random and mutated messages, the same ones in every run, and what must hold of their answers."""

from __future__ import annotations

import json
import random
from typing import Any

from servers import MODERN

META: dict[str, Any] = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    "io.modelcontextprotocol/clientInfo": {"name": "odd", "version": "1"},
}
CLIENT = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "odd", "version": "1"}}
BOTH_ERAS: list[tuple[str, dict[str, Any]]] = [
    ("tools/list", {}),
    ("tools/call", {"name": "add", "arguments": {"a": 1, "b": 2}}),
    ("tools/call", {"name": "greet", "arguments": {"name": "Ada"}}),
    ("resources/list", {}),
    ("resources/templates/list", {"cursor": ""}),
    ("resources/read", {"uri": "test://text"}),
    ("resources/read", {"uri": "test://item/7"}),
    ("prompts/list", {}),
    ("prompts/get", {"name": "hello", "arguments": {"who": "Ada"}}),
    (
        "completion/complete",
        {"ref": {"type": "ref/prompt", "name": "hello"}, "argument": {"name": "who", "value": "A"}},
    ),
    ("tasks/get", {"taskId": "none"}),
]
OF_ERA: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "modern": [("server/discover", {}), ("subscriptions/listen", {"notifications": {"toolsListChanged": True}})],
    "legacy": [
        ("initialize", CLIENT),
        ("ping", {}),
        ("logging/setLevel", {"level": "error"}),
        ("resources/subscribe", {"uri": "test://text"}),
        ("resources/unsubscribe", {"uri": "test://text"}),
    ],
}
NOTIFICATIONS: list[tuple[str, dict[str, Any]]] = [
    ("notifications/cancelled", {"requestId": "never", "reason": "odd"}),
    ("notifications/initialized", {}),
    ("notifications/progress", {"progressToken": 1, "progress": 2}),
    ("notifications/roots/list_changed", {}),
]
ODD: list[Any] = [
    *(None, True, False, 0, -1, 1.5, 1e300, 2**63, -(2**70), "", " ", "\x00", "é", "𝄞", "\ud800", "null", [], {}),
    *("add", "greet", "hello", "tools/call", "ping", "2.0", "2025-03-26", MODERN, "x" * 3000, [[]], [1, "a", {}]),
    *({"a": 1}, {"": ""}, {"name": "add"}, {"_meta": {}}),
]
KEYS = ["", "id", "name", "params", "_meta", "arguments", "method", "uri", "cursor", "progressToken", "x", "\x00", "é"]


class Maker:
    """An endless supply of messages of one era."""

    def __init__(self, era: str, seed: int) -> None:
        self.era = era
        self.random = random.Random(seed)
        self.count = 0

    def message(self) -> dict[str, Any]:
        """One that is right."""
        self.count += 1
        pick = self.random
        if pick.random() < 0.06:
            method, params = pick.choice(NOTIFICATIONS)
            return {"jsonrpc": "2.0", "method": method, "params": dict(params)}
        number: Any = pick.choice([self.count, f"n{self.count}"])
        if pick.random() < 0.03:
            return {"jsonrpc": "2.0", "id": number, "result": {}}
        method, params = pick.choice(BOTH_ERAS + OF_ERA[self.era])
        params = json.loads(json.dumps(params))
        if self.era == "modern":
            params["_meta"] = dict(META)
        if pick.random() < 0.1:
            params.setdefault("_meta", {})["progressToken"] = pick.choice(["p", 7])
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}

    def body(self, message: Any) -> bytes:
        """The bytes of a message, changed in some way or another."""
        pick, kind = self.random, self.random.random()
        if kind < 0.15:  # as it is
            return json.dumps(message).encode()
        if kind < 0.65:
            for _ in range(pick.choice([1, 1, 1, 2, 4])):
                message = self.changed(message)
            return dump(message)
        if kind < 0.70:  # several at once, of which some are no messages
            return dump(
                [pick.choice([message, self.changed(message), pick.choice(ODD)]) for _ in range(pick.choice([1, 2, 5]))]
            )
        if kind < 0.73:
            depth = pick.choice([100, 140, 2000])
            return dump(message).replace(b"{", b"[" * depth + b"{", 1)[:6000]
        if kind < 0.76:  # a key twice
            text = dump(message)
            return text[:-1] + b"," + text[1:]
        data = bytearray(dump(message))
        for _ in range(pick.choice([1, 1, 2, 5, 20])):
            at = pick.randrange(len(data) + 1)
            match pick.randrange(5):
                case 0:
                    data[at : at + 1] = bytes([pick.randrange(256)])
                case 1:
                    data[at:at] = pick.choice(
                        [b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\xff", b"\x00", b"0", b"\n"]
                    )
                case 2:
                    del data[at : at + pick.choice([1, 1, 8])]
                case 3:
                    del data[at:]
                case _:
                    piece = data[at : at + pick.randrange(30)]
                    other = pick.randrange(len(data) + 1)
                    data[other:other] = piece
        return bytes(data)

    def changed(self, value: Any) -> Any:
        """The value with one place in it replaced, removed, added or renamed."""
        pick = self.random
        if isinstance(value, dict) and value and pick.random() < 0.85:
            key = pick.choice(list(value))
            rest = dict(value)
            match pick.randrange(8):
                case 0:
                    del rest[key]
                case 1:
                    rest[pick.choice(KEYS)] = pick.choice(ODD)
                case 2:
                    rest[pick.choice(KEYS)] = rest.pop(key)
                case _:
                    rest[key] = self.changed(value[key])
            return rest
        if isinstance(value, list) and value and pick.random() < 0.7:
            at = pick.randrange(len(value))
            return [*value[:at], self.changed(value[at]), *value[at + 1 :]]
        return pick.choice(ODD)

    def headers(self, message: dict[str, Any], session: str | None) -> list[tuple[str, str]]:
        """Those that belong to a message that is right, changed now and then."""
        pick = self.random
        lines = [
            ("Host", "127.0.0.1"),
            ("Accept", "application/json, text/event-stream"),
            ("Content-Type", "application/json"),
        ]
        if self.era == "modern":
            lines.append(("MCP-Protocol-Version", MODERN))
            if "method" in message:
                lines.append(("Mcp-Method", message["method"]))
            params = message.get("params", {})
            name = params.get("name") or params.get("uri") or params.get("taskId")
            if name and message["method"] in ("tools/call", "prompts/get", "resources/read", "tasks/get"):
                lines.append(("Mcp-Name", name))
        elif session is not None and message.get("method") != "initialize":
            lines.append(("Mcp-Session-Id", session))
            if pick.random() < 0.5:
                lines.append(("MCP-Protocol-Version", pick.choice(["2025-03-26", "2025-06-18", "2025-11-25"])))
        if pick.random() < 0.12:
            at = pick.randrange(len(lines))
            match pick.randrange(4):
                case 0:
                    del lines[at]
                case 1:
                    lines.append(lines[at])
                case 2:
                    values = [
                        "",
                        "x",
                        "*/*",
                        "application/json",
                        "text/event-stream",
                        MODERN,
                        "2025-11-25",
                        "evil.example",
                    ]
                    lines[at] = (lines[at][0], pick.choice([*values, "2099-01-01", "=?base64?YWRk?=", "é", "a" * 500]))
                case _:
                    lines.append(
                        (pick.choice(["Origin", "Last-Event-ID", "Mcp-Param-X", "X"]), pick.choice(["null", "1", ""]))
                    )
        return lines


def dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def unread(data: bytes) -> Any:
    """The value of a text that every parser reads alike; None for any other."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in found}) < len(found):
            raise ValueError("a key twice")
        return dict(found)

    def refuse(name: str) -> Any:
        raise ValueError(name)

    try:
        value = json.loads(data.decode(), object_pairs_hook=pairs, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()  # no lone surrogates
    except (ValueError, RecursionError):
        return None
    return value


def is_id(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def request_id(value: Any) -> Any:
    """The id of a request that is right as far as JSON-RPC goes; None for anything else."""
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0" or not isinstance(value.get("method"), str):
        return None
    if "result" in value or "error" in value or not isinstance(value.get("params", {}), dict):
        return None
    return value["id"] if is_id(value.get("id")) else None


def check_response(answer: Any) -> None:
    """What holds of every response whatever it answers."""
    assert isinstance(answer, dict), answer
    assert answer["jsonrpc"] == "2.0", answer
    assert answer.keys() in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"}), answer
    if "result" in answer:
        assert is_id(answer["id"]), answer
        assert isinstance(answer["result"], dict), answer
    else:
        error = answer["error"]
        assert answer["id"] is None or is_id(answer["id"]), answer
        assert isinstance(error["code"], int), answer
        assert error["code"] != -32603, answer  # nothing here may surprise the server
        assert isinstance(error["message"], str), answer
        assert error["message"], answer
        assert error.keys() <= {"code", "message", "data"}, answer
