"""JSON-RPC envelopes and line framing: the wire fixtures, and against a reading of the same messages with orjson."""

from __future__ import annotations

import pickle
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpkit.core import json, rpc
from wire import Case, cases

KERNELS = json.kernels()
RAW = [
    "id",
    "result",
    "error",
    "name",
    "uri",
    "arguments",
    "cursor",
    "meta",
    "request_id",
    "task_id",
    "task",
    "input_responses",
    "request_state",
    "protocol_version",
    "client_capabilities",
    "client_info",
    "log_level",
    "progress_token",
]
NESTED = {
    "_meta": "meta",
    "requestId": "request_id",
    "taskId": "task_id",
    "inputResponses": "input_responses",
    "requestState": "request_state",
}
CODES = {"json": -32700}


def members(envelope: rpc.Envelope) -> dict[str, str]:
    found = {key: getattr(envelope, key) for key in RAW}
    return {key: value.decode() for key, value in found.items() if value is not None}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("case", cases("envelopes.md"), ids=lambda case: case.name)
def test_envelope(case: Case, kernel: str) -> None:  # C06
    envelope = rpc.scan(case.data, kernel=kernel)
    expect = dict(case.expect)
    assert envelope.kind == expect.pop("kind")
    assert envelope.status == expect.pop("status", "ok"), envelope
    assert str(envelope.code) == expect.pop("code", "0")
    assert envelope.method == expect.pop("method", None)
    assert str(envelope.position) == expect.pop("position", str(envelope.position))
    assert envelope.reason
    params = expect.pop("params", None)
    assert params is None or envelope.params == params.encode()
    if envelope.kind == "invalid":  # what was seen before the fault may be there or not, but the identifier is
        assert ("id" in expect) == (envelope.id is not None)
    else:
        expect.pop("meta", None)
        assert {k: v for k, v in members(envelope).items() if k != "meta"} == expect
    for key, value in expect.items():
        assert getattr(envelope, key) == value.encode()


def test_every_method_is_known_by_its_name() -> None:
    assert len(rpc.METHODS) == 24
    for method in rpc.METHODS:
        envelope = rpc.scan(orjson.dumps({"jsonrpc": "2.0", "id": 1, "method": method}))
        assert (envelope.method, envelope.known_method) == (method, True)
        assert not rpc.scan(orjson.dumps({"jsonrpc": "2.0", "method": method + "x"})).known_method
        escaped = "".join(f"\\u{ord(c):04x}" for c in method)
        envelope = rpc.scan(b'{"jsonrpc":"2.0","method":"%s"}' % escaped.encode())
        assert (envelope.method, envelope.known_method) == (method, True)


any_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PREFIXED = ("protocolVersion", "clientInfo", "clientCapabilities", "logLevel")
meta_keys = st.sampled_from(["progressToken", "traceparent", *(f"io.modelcontextprotocol/{key}" for key in PREFIXED)])
param_keys = st.sampled_from(["name", "uri", "arguments", "cursor", "task", "other", "io", *NESTED])
params_objects = st.dictionaries(param_keys, any_json, max_size=6).flatmap(
    lambda params: st.dictionaries(meta_keys, any_json, max_size=5).map(lambda meta: params | {"_meta": meta})
)
messages = st.fixed_dictionaries(
    {"jsonrpc": st.sampled_from(["2.0", "2.0", "2.0", "1.0", 2])},
    optional={
        "id": st.integers() | st.text(max_size=20) | st.none() | st.floats(0, 9),
        "method": st.sampled_from(rpc.METHODS) | st.text(max_size=20) | st.none(),
        "params": params_objects | params_objects | any_json,
        "result": any_json,
        "error": any_json,
        "_meta": any_json,
    },
)


def naive_kind(message: dict[str, Any]) -> str:
    """The kind of a message without keys that stand twice, read in the plainest way."""
    identifier, method = message.get("id"), message.get("method")
    answers = [key for key in ("result", "error") if key in message]
    if message.get("jsonrpc") != "2.0" or ("id" in message and type(identifier) not in (int, str)):
        return "invalid"
    if "method" in message:
        if not isinstance(method, str) or answers or not isinstance(message.get("params", {}), dict):
            return "invalid"
        return "request" if "id" in message else "notification"
    if len(answers) != 1 or (answers == ["result"] and "id" not in message):
        return "invalid"
    return "response" if isinstance(message.get("params", {}), dict) else "invalid"


def write(value: Any, draw: st.DataObject) -> str:
    """JSON with white space, key order and escapes as they come."""
    space = draw.draw(st.sampled_from(["", "", " ", "\r\n\t"]))
    if isinstance(value, dict):
        inner = [
            f"{write(k, draw)}{space}:{space}{write(v, draw)}"
            for k, v in draw.draw(st.permutations(list(value.items())))
        ]
        return "{" + space + f"{space},{space}".join(inner) + space + "}"
    if isinstance(value, str) and value.isascii() and draw.draw(st.integers(0, 9)) == 0:
        return '"' + "".join(f"\\u{ord(c):04x}" for c in value) + '"'
    return str(value) if type(value) is int else orjson.dumps(value).decode()


@settings(max_examples=200, deadline=None)
@given(messages, st.data())
def test_messages_are_read_as_a_plain_reader_would(message: dict[str, Any], draw: st.DataObject) -> None:
    data = write(message, draw).encode()
    envelope = rpc.scan(data)
    assert envelope.kind == naive_kind(message), data
    for kernel in KERNELS:
        assert members(rpc.scan(data, kernel=kernel)) == members(envelope)
    if envelope.kind == "invalid":
        return
    if "id" in message:
        assert envelope.id is not None
        assert (int(envelope.id) if isinstance(message["id"], int) else json.decode(envelope.id)) == message["id"]
    assert envelope.method == message.get("method")
    params = message.get("params", {})
    for key in ("name", "uri", "arguments", "cursor", "task", *NESTED):
        found = getattr(envelope, NESTED.get(key, key))
        assert (found is not None) == (key in params)
        if found is not None:
            assert orjson.loads(found) == orjson.loads(orjson.dumps(params[key]))


@given(
    st.lists(
        st.sampled_from(['"id":1', '"method":"x"', '"result":1', '"error":1', '"params":{}', '"jsonrpc":"2.0"']),
        max_size=7,
    )
)
def test_a_key_of_the_envelope_that_stands_twice_is_refused(pieces: list[str]) -> None:
    envelope = rpc.scan(("{" + ",".join(pieces) + "}").encode())
    assert (envelope.status == "duplicate") == (len(set(pieces)) < len(pieces))


def test_depth_is_bounded_inside_the_envelope_too() -> None:
    def nested(levels: int) -> bytes:
        return b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"arguments":' + b"[" * levels + b"]" * levels + b"}}"

    assert rpc.scan(nested(126)).kind == "request"
    refused = rpc.scan(nested(127))
    assert (refused.status, refused.reason, refused.code) == ("json", "nested too deep", -32700)
    assert rpc.scan(nested(3), max_depth=4).status == "json"


def test_a_message_may_be_any_buffer() -> None:
    data = bytearray(b'{"jsonrpc":"2.0","id":1,"method":"ping"}')
    envelope = rpc.scan(memoryview(data))
    data[:] = b"x" * len(data)
    assert envelope.id == b"1"
    assert repr(envelope) == "<Envelope request method='ping' id=b'1'>"
    assert "refused at byte 0" in repr(rpc.scan(b"x"))


def naive_lines(data: bytes, limit: int) -> list[bytes | None]:
    found = [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [line if len(line) <= limit else None for line in found if line]


def drain(lines: rpc.Lines, eof: bool = False) -> list[bytes | None]:
    found: list[bytes | None] = []
    while True:
        try:
            line = lines.next(eof=eof)
        except rpc.LineTooLongError:
            found.append(None)
            continue
        if line is None:
            return found
        found.append(line)


@given(
    st.lists(st.sampled_from([b"\n", b"\r\n", b"\r", b"a", b"12345678", b"{}", b"\x00\xff"]), max_size=30).map(
        b"".join
    ),
    st.data(),
)
def test_lines_come_out_the_same_however_they_were_cut(data: bytes, draw: st.DataObject) -> None:
    lines = rpc.Lines(9)
    found, at = [], 0
    while at < len(data):
        n = draw.draw(st.integers(1, len(data) - at))
        lines.feed(data[at : at + n])
        found += drain(lines)
        at += n
    found += drain(lines, eof=True)
    assert found == naive_lines(data, 9)


def test_a_line_beyond_the_limit_costs_itself_only() -> None:
    lines = rpc.Lines(10)
    lines.feed(b"first\n" + b"x" * 100)
    assert drain(lines) == [b"first", None]
    for _ in range(100):
        lines.feed(b"x" * 1000)
        assert drain(lines) == []
    lines.feed(b"x\nsecond\r\n")
    assert drain(lines) == [b"second"]
    lines.feed(b"y" * 12)
    with pytest.raises(rpc.LineTooLongError, match="more than 10 bytes"):
        lines.next()


def test_long_lines_in_small_pieces_cost_linear_time() -> None:
    lines = rpc.Lines(8 << 20)
    piece = b"z" * 4096
    for _ in range(1000):
        lines.feed(piece)
        assert lines.next() is None
    lines.feed(b"\n{}\n")
    assert lines.next() == piece * 1000
    assert lines.next() == b"{}"


def test_limits_are_checked() -> None:
    with pytest.raises(ValueError, match="at least 1 byte"):
        rpc.Lines(0)
    assert pickle.loads(pickle.dumps(rpc.ChunkError(400, "why"))).status == 400
