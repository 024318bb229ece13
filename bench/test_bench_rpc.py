"""The envelope scan beside a msgspec typed decode, and the HTTP head beside httptools: one call from Python each."""

from __future__ import annotations

from collections.abc import Callable

import httptools
import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mcpkit.core import rpc


class Meta(msgspec.Struct):
    token: int | str | None = msgspec.field(default=None, name="progressToken")
    version: str | None = msgspec.field(default=None, name="io.modelcontextprotocol/protocolVersion")


class Params(msgspec.Struct):
    name: str
    arguments: msgspec.Raw  # handed on as bytes, as the scan does
    meta: Meta | None = msgspec.field(default=None, name="_meta")


class Request(msgspec.Struct):
    jsonrpc: str
    id: int | str
    method: str
    params: Params


typed = msgspec.json.Decoder(Request).decode
READERS: dict[str, Callable[[bytes], object]] = {"mcpkit": rpc.scan, "msgspec": typed}

SMALL = (
    b'{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"calculator/add",'
    b'"arguments":{"left":2,"right":3},"_meta":{"progressToken":"a-42"}}}'
)
PARAGRAPH = "A sentence as people write them, plain and of some length, so that a text is made of it. "


def large() -> bytes:
    texts = [PARAGRAPH * 4] * (65536 // (4 * len(PARAGRAPH) + 3) - 1)
    arguments = b'{"texts":' + msgspec.json.encode(texts) + b"}"
    return SMALL.replace(b'{"left":2,"right":3}', arguments)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("size", "message"), [("150 bytes", SMALL), ("64 KiB", large())], ids=["150 bytes", "64 KiB"])
def test_bench_envelope(benchmark: BenchmarkFixture, reader: str, size: str, message: bytes) -> None:
    benchmark.group = f"envelope scan, {size}"
    benchmark.name = reader
    benchmark.extra_info |= {"bytes": len(message), "reference": reader == "msgspec"}
    found = benchmark(READERS[reader], message)
    assert found.id in (b"17", 17)


HEAD = b"".join(
    line + b"\r\n"
    for line in (
        b"POST /mcp HTTP/1.1",
        b"Host: 127.0.0.1:3000",
        b"User-Agent: python-httpx/0.28.1",
        b"Accept: application/json, text/event-stream",
        b"Accept-Encoding: gzip, deflate",
        b"Connection: keep-alive",
        b"Content-Type: application/json",
        b"MCP-Protocol-Version: 2026-07-28",
        b"Mcp-Method: tools/call",
        b"Mcp-Name: calculator/add",
        b"Content-Length: 150",
        b"",
    )
)


class Fields:
    def __init__(self) -> None:
        self.fields: list[tuple[bytes, bytes]] = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value))


def with_httptools(data: bytes) -> int:
    fields = Fields()
    httptools.HttpRequestParser(fields).feed_data(data)
    return len(fields.fields)


def with_mcpkit(data: bytes) -> int:
    return len(rpc.parse_head(data).fields)


@pytest.mark.parametrize("reader", [with_mcpkit, with_httptools], ids=["mcpkit", "httptools"])
def test_bench_head(benchmark: BenchmarkFixture, reader: Callable[[bytes], int]) -> None:
    benchmark.group = "HTTP head, every field as Python bytes"
    benchmark.name = "mcpkit" if reader is with_mcpkit else "httptools"
    benchmark.extra_info |= {"bytes": len(HEAD), "reference": reader is with_httptools}
    assert benchmark(reader, HEAD) == 10
