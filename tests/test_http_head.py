"""HTTP/1.1 request heads and chunked bodies: the wire fixtures, cut at every place, and against httptools."""

from __future__ import annotations

import httptools
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpkit.core import rpc
from wire import Case, cases

HEADS = cases("http-heads.md")
BODIES = cases("http-bodies.md")
FLAGS = ("chunked", "expect_continue", "upgrade")


def by_name(case: Case) -> str:
    return case.name


def summary(head: rpc.Head) -> dict[str, object]:
    """Everything a caller can see of a verdict."""
    if head.refused:
        return {"status": head.status, "reason": head.reason, "keep_alive": head.keep_alive}
    names = (
        "complete",
        "method",
        "target",
        "path",
        "minor",
        "keep_alive",
        *FLAGS,
        "content_length",
        "head_len",
        "fields",
        "known",
    )
    return {name: getattr(head, name) for name in [*names, *FLAGS]}


def trickle(data: bytes, **limits: int) -> rpc.Head:
    head = rpc.Head(**limits)
    for length in range(len(data) + 1):
        if head.feed(data[:length]):
            break
    return head


@pytest.mark.parametrize("case", HEADS, ids=by_name)
def test_head(case: Case) -> None:
    head = rpc.parse_head(case.data)
    expect = dict(case.expect)
    if "refused" in expect:
        assert head.refused, "it was accepted"
        assert (str(head.status), head.keep_alive) == (expect["refused"], False), head.reason
        assert expect["reason"] in head.reason
        return
    assert head.complete, head.reason
    assert head.head_len == case.data.index(b"\r\n\r\n", 4) + 4
    for name in ("method", "target", "path"):
        assert getattr(head, name) == expect.pop(name).encode()
    for name in FLAGS:
        assert getattr(head, name) == (expect.pop(name, "") == "True"), name
    assert str(head.keep_alive) == expect.pop("keep_alive")
    assert str(head.minor) == expect.pop("minor", "1")
    assert str(head.content_length) == expect.pop("content_length", "None")
    known = {name: value.decode() for name, (value, _) in head.known.items()}
    assert known == {name.removesuffix("_field"): value for name, value in expect.items()}


@pytest.mark.parametrize("case", HEADS, ids=by_name)
def test_a_head_that_trickles_in_gets_the_same_verdict(case: Case) -> None:
    assert summary(trickle(case.data)) == summary(rpc.parse_head(case.data))


@pytest.mark.parametrize("case", BODIES, ids=by_name)
def test_body(case: Case) -> None:
    def whole() -> tuple[str, bytes, bytes]:
        try:
            decoded = rpc.decode_chunks(case.data)
        except rpc.ChunkError as error:
            return f"{error.status} {error.reason}", b"", b""
        return ("more", b"", b"") if decoded is None else ("done", *decoded)

    def in_pieces(size: int) -> tuple[str, bytes, bytes]:
        chunks = rpc.Chunks()
        try:
            for at in range(0, len(case.data), size):
                if chunks.feed(case.data[at : at + size]):
                    return "done", chunks.body, chunks.rest + case.data[at + size :]
        except rpc.ChunkError as error:
            return f"{error.status} {error.reason}", b"", b""
        return "more", b"", b""

    verdict, body, rest = whole()
    for size in (1, 2, 3, 7):
        assert in_pieces(size) == (verdict, body, rest)
    expect = case.expect
    if "refused" in expect:
        assert verdict.startswith(expect["refused"])
        assert expect["reason"] in verdict
    elif "more" in expect:
        assert verdict == "more"
    else:
        assert verdict == "done"
        assert body == expect["body"].encode().decode("unicode_escape").encode()
        assert rest == expect["rest"].encode()


class Reading:
    """What httptools makes of a head, and of the body when there is one."""

    def __init__(self, data: bytes) -> None:
        self.target = self.body = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.complete = self.ended = self.upgrade = False
        self.error = ""
        self.parser = httptools.HttpRequestParser(self)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.upgrade = True
        except httptools.HttpParserError as error:
            self.error = f"{type(error).__name__}: {error}"

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.complete = True
        self.version = self.parser.get_http_version()
        self.keep_alive = self.parser.should_keep_alive()
        self.method = self.parser.get_method()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended = True


# What httptools lets through and we refuse: words of our reason, and why.
STRICTER = {
    "two Host": "two servers in a row could each answer for another host (RFC 9112 §3.2: 400)",
    "no Host": "RFC 9112 §3.2: 400",
    "malformed Host": "a path, a user or a list in it makes readers disagree about the host",
    "another host": "the target's authority would win over Host; agreeing is simpler to reason about",
    "Transfer-Encoding other than chunked": "nothing else is decoded; guessing at codings smuggles requests",
    "Transfer-Encoding in HTTP/1.0": "RFC 9112 §6.1: its framing is faulty",
    "only HTTP/1.1 and HTTP/1.0": "other versions are other protocols",
    "OPTIONS only": "RFC 9112 §3.2.4",
    "may not stand there": "a fragment is never part of a request target (RFC 9112 §3.2)",
    "malformed request line": "more than one blank between its parts (RFC 9112 §3: a recipient may, we do not)",
    "request target": "authority form is for CONNECT, which nobody answers here",
    "line feed": "a bare one before the request (httptools passes over it)",
    "empty lines before": "two are enough for old clients",
    "expectation": "RFC 9110 §10.1.1: 417",
    "too large": "our limits",
    "too long": "our limits",
    "too many header fields": "our limits",
}


def compare(data: bytes) -> None:
    head, theirs = rpc.parse_head(data), Reading(data)
    if head.complete:
        if theirs.error and head.method not in METHODS:
            return  # it knows a fixed list of methods; for us any token is one, which others answer with 501 or 405
        assert theirs.complete, (data, theirs.error)
        assert theirs.fields[: len(head.fields)] == head.fields
        assert (theirs.target, theirs.method) == (head.target, head.method)
        assert theirs.version == f"1.{head.minor}"
        if not theirs.upgrade and not head.upgrade:
            assert theirs.keep_alive == head.keep_alive, data
    elif theirs.complete and not theirs.error:
        assert head.refused
        assert any(words in head.reason for words in STRICTER), (data, head.status, head.reason)


METHODS = (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH")


@pytest.mark.parametrize("case", HEADS, ids=by_name)
def test_fixtures_are_read_as_httptools_does_or_more_strictly(case: Case) -> None:
    compare(case.data[: case.data.find(b"\r\n\r\n", 4) + 4] if b"\r\n\r\n" in case.data[4:] else case.data)


def test_the_table_of_differences_has_no_idle_rows() -> None:
    reasons = {rpc.parse_head(case.data).reason for case in HEADS}
    reasons.add(rpc.parse_head(b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n\r\n").reason)
    reasons.add(rpc.parse_head(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 101 + b"\r\n").reason)
    for words in STRICTER:
        assert any(words in reason for reason in reasons), words


def joined(*parts: st.SearchStrategy[bytes] | list[bytes]) -> st.SearchStrategy[bytes]:
    """One of each, put together."""
    choices = [st.sampled_from(part) if isinstance(part, list) else part for part in parts]
    return st.tuples(*choices).map(b"".join)


names = [
    b"Host",
    b"X-A",
    b"Accept",
    b"Connection",
    b"Expect",
    b"x!#$%&'*+-.^_`|~9",
    b"Content-Length",
    b"Transfer-Encoding",
]
known_values = [
    b"a",
    b"",
    b"close",
    b"keep-alive",
    b"chunked",
    b"0",
    b"12",
    b"a:80",
    b"100-continue",
    b"\x80\xfe",
    b"a,b",
]
values = st.sampled_from(known_values) | st.text('ab ,;="\t', max_size=8).map(str.encode)
colons = [b":", b": ", b":\t ", b" :", b""]
fields = joined(names, colons, values, [b"", b" ", b"\t"], [b"\r\n"] * 9 + [b"\n", b"\r\n "])
targets = [b"/", b"/mcp", b"/a?b=c", b"*", b"http://a/", b"http://a:80", b"a:80", b"/a#b", b"/%41", b"//a"]
versions = [b" HTTP/1.1\r\n"] * 6 + [b" HTTP/1.0\r\n", b" HTTP/1.2\r\n", b" HTTP/1.1\n", b"\r\n"]
request_lines = joined([*METHODS, b"G", b"get"], [b" "] * 9 + [b"  ", b"\t"], targets, versions)
field_lists = st.lists(fields, max_size=5).map(b"".join)
heads = joined([b""] * 6 + [b"\r\n", b"\n"], request_lines, field_lists, [b"Host: a\r\n"] * 3 + [b""], [b"\r\n"])


@settings(max_examples=500)
@given(heads)
def test_heads_are_read_as_httptools_does_or_more_strictly(data: bytes) -> None:
    compare(data)


@settings(max_examples=200)
@given(heads, st.integers(0, 80), st.binary(min_size=1, max_size=2))
def test_damaged_heads_too(data: bytes, place: int, piece: bytes) -> None:
    damaged = data[: place % len(data)] + piece + data[place % len(data) + 1 :]
    compare(damaged)
    limits = {"max_head": 60, "max_target": 6, "max_body": 10}
    for values in ({}, limits):
        assert summary(trickle(damaged, **values)) == summary(rpc.parse_head(damaged, **values))


chunk_pieces = st.sampled_from(
    [b"0\r\n\r\n", b"3\r\nabc\r\n", b"a;x=y\r\n0123456789\r\n", b"0\r\nT: v\r\n\r\n", b"\r\n", b"1", b"\n", b"z", b"0"]
)


@settings(max_examples=300)
@given(st.lists(chunk_pieces, max_size=6).map(b"".join))
def test_bodies_are_read_as_httptools_does_or_more_strictly(data: bytes) -> None:
    theirs = Reading(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + data)
    try:
        ours = rpc.decode_chunks(data)
    except rpc.ChunkError:
        assert not theirs.ended
        return
    if ours is None:
        assert not theirs.ended
    else:
        assert theirs.ended
        assert theirs.body.startswith(ours[0])  # what follows the body is to httptools a second request


def test_limits_are_the_callers() -> None:
    data = b"POST /target HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"
    assert rpc.parse_head(data, max_head=len(data), max_target=7, max_body=10).complete
    assert rpc.parse_head(data, max_head=len(data) - 1).status == 431
    assert rpc.parse_head(data, max_target=6).status == 414
    assert rpc.parse_head(data, max_body=9).status == 413
    with pytest.raises(rpc.ChunkError, match="413"):
        rpc.decode_chunks(b"3\r\nabc\r\n8\r\n", max_body=10)


def test_endless_input_is_refused_at_the_limit() -> None:
    for data, status in [
        (b"A" * 100_000, 400),
        (b"GET /" + b"a" * 100_000, 414),
        (b"GET / HTTP/1.1\r\n" + b"A" * 100_000, 431),
        (b"GET / HTTP/1.1\r\nX: " + b"\t" * 100_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 100_000, 431),
        (b"\r\n" * 100_000, 400),
    ]:
        head = trickle(data)
        assert head.status == status
        assert summary(head) == summary(rpc.parse_head(data))
    with pytest.raises(rpc.ChunkError, match="framing"):
        rpc.decode_chunks((b"1;" + b"x" * 50 + b"\r\ny\r\n") * 100, max_body=1000, max_head=1000)
    with pytest.raises(rpc.ChunkError, match="framing"):
        rpc.decode_chunks(b"0\r\n" + b"A: b\r\n" * 1000, max_body=1000, max_head=1000)


def test_a_head_that_comes_byte_by_byte_costs_linear_time() -> None:
    data = b"GET / HTTP/1.1\r\nHost: a\r\nX:" + b" " * 1_000_000 + b"y\r\n\r\n"
    head = rpc.Head(max_head=2_000_000)
    for length in range(0, len(data), 997):
        assert not head.feed(data[:length])
    assert head.feed(data)
    assert head.fields[-1] == (b"X", b"y")


@pytest.mark.parametrize(
    ("value", "admits"),
    [
        (b"application/json", True),
        (b"text/html, APPLICATION/JSON;q=0.5", True),
        (b"*/*", True),
        (b"application/*;q=0.001", True),
        (b"application/*;q=0, application/json", True),
        (b"", False),
        (b"text/*", False),
        (b"application/json;q=0", False),
        (b"*/*, application/json; q=0.000", False),
        (b'text/plain;a=", application/json"', False),
    ],
)
def test_accept(value: bytes, admits: bool) -> None:
    assert rpc.accepts(value, "application/json") == admits


def test_content_type() -> None:
    for value in (b"application/json", b" Application/JSON ", b'application/json ; charset="utf-8"'):
        assert rpc.is_media_type(value, "application/json")
    for value in (b"", b"application/json5", b"application/jso", b"*/*", b"text/plain, application/json"):
        assert not rpc.is_media_type(value, "application/json")
