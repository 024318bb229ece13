"""The strict JSON scanner against orjson, and every kernel against the portable one."""

from __future__ import annotations

import itertools
import json as stdlib_json
import pickle
from collections.abc import Iterator

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcpkit.core import json

KERNELS = json.kernels()


def accepted(text: bytes, kernel: str | None = None) -> bool:
    try:
        json.validate(text, kernel=kernel)
    except json.JsonError:
        return False
    return True


def orjson_accepts(text: bytes) -> bool:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def differs_by_design(text: bytes) -> bool:
    """What orjson refuses and we hand on: numbers beyond a double (here numbers stay text). What it accepts and we
    refuse is only nesting beyond the limit, 128 unless told."""
    try:
        stdlib_json.loads(text, parse_float=str, parse_int=str, parse_constant=lambda name: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return False
    numbers: list[str] = []
    stdlib_json.loads(text, parse_float=numbers.append, parse_int=numbers.append)
    return any(float(number) in (float("inf"), float("-inf")) for number in numbers)


def check(text: bytes) -> None:
    ours = accepted(text)
    if ours != orjson_accepts(text):
        assert ours
        assert differs_by_design(text), text
    for kernel in KERNELS:
        assert accepted(text, kernel) == ours


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@st.composite
def documents(draw: st.DrawFn) -> bytes:
    value = draw(values)
    text = stdlib_json.dumps(value, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 0, 2])))
    return text.encode("utf-8", "surrogatepass")


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    text = bytearray(draw(documents()))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        how = draw(st.integers(0, 3))
        piece = draw(
            st.sampled_from([b"\\", b'"', b"\\u", b"\\ud800", b",", b"]", b"}", b"\x00", b"\x7f", b"\xc3"])
            | st.binary(max_size=2)
        )
        if how == 0:
            del text[place:]
        elif how == 1:
            del text[place : place + len(piece) + 1]
        elif how == 2:
            text[place:place] = piece
        else:
            text[place : place + len(piece)] = piece
    return bytes(text)


@given(documents())
def test_valid_documents_are_accepted(text: bytes) -> None:
    check(text)


@settings(max_examples=400)
@given(damaged())
def test_damaged_documents_get_orjsons_verdict(text: bytes) -> None:
    check(text)


def short_texts() -> Iterator[bytes]:
    signs = [b[i : i + 1] for b in [b'{}[]":,\\u0e1+-. tn\x00\n\xc3\xa9'] for i in range(len(b))]
    for length in range(4):
        yield from map(b"".join, itertools.product(signs, repeat=length))
    for first, second in itertools.product(range(256), repeat=2):
        yield bytes([first, second])


def test_every_short_text_gets_orjsons_verdict() -> None:
    for text in short_texts():
        assert accepted(text) == orjson_accepts(text), text


def test_every_pair_of_bytes_in_a_string_gets_orjsons_verdict() -> None:
    for first, second in itertools.product(range(256), repeat=2):
        text = b'"' + bytes([first, second]) + b'"'
        assert accepted(text) == orjson_accepts(text), text


ACCEPTED = [
    b"0",
    b"-0",
    b"-0.0e-0",
    b"1E400",
    b"123456789012345678901234567890",
    b'""',
    b'"\\/"',
    b'"\x7f"',
    b"[]",
    b"{}",
    b"[[],{}]",
    b' \t\r\n{"":""}\n',
    b'{"a":1,"a":2}',
    '"\u2028\ufeff\uffff"'.encode(),
    b'"\\uD834\\uDD1E"',
    b'"\\u0000"',
    b"[" * 128 + b"]" * 128,
]

REFUSED = {
    b"": 0,
    b" ": 1,
    b"[": 1,
    b"]": 0,
    b"[1 2]": 3,
    b"[1,]": 3,
    b"[,]": 1,
    b"{,}": 1,
    b'{"a":}': 5,
    b'{"a",1}': 4,
    b"{1:2}": 1,
    b"[1}": 2,
    b'{"a":1]': 6,
    b"01": 1,
    b"1.": 2,
    b".5": 0,
    b"1e": 2,
    b"+1": 0,
    b"--1": 1,
    b"0x10": 1,
    b"NaN": 0,
    b"-Infinity": 1,
    b"True": 0,
    b"nul": 3,
    b"'a'": 0,
    b'"a': 2,
    b'"\n"': 1,
    b'"\\a"': 1,
    b'"\\u12"': 1,
    b'"\\uD834"': 1,
    b'"\\uDD1E"': 1,
    b'"\\uD834\\u0041"': 1,
    b"\xef\xbb\xbf1": 0,
    b'"\xff"': 1,
    b'"\xc0\xaf"': 1,
    b'"\xe2\x82"': 1,
    b'"ab\xed\xa0\x80"': 3,
    b'"\xf4\x90\x80\x80"': 1,
    b"1 1": 2,
    b"{} //": 3,
    b"[1]\x00": 3,
    b"\x00": 0,
    b"/**/1": 0,
    b"[" * 129 + b"]" * 129: 128,
    b"\x0c1": 0,
    b"\xc2\xa01": 0,
}


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("text", ACCEPTED, ids=repr)
def test_accepted(text: bytes, kernel: str) -> None:
    json.validate(text, kernel=kernel)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_refused_where_the_fault_is(text: bytes, kernel: str) -> None:
    with pytest.raises(json.JsonError) as caught:
        json.validate(text, kernel=kernel)
    assert caught.value.position == REFUSED[text]
    assert f"byte {REFUSED[text]}" in str(caught.value)


def test_the_depth_can_be_chosen() -> None:
    json.validate(b"[" * 1024 + b"]" * 1024, max_depth=2**32 - 1)
    for text, depth in [(b"1", 0), (b"[{}]", 2)]:
        json.validate(text, max_depth=depth)
    for text, depth in [(b"[]", 0), (b"[{}]", 1), (b"[" * 1025 + b"]" * 1025, 2**32 - 1)]:
        with pytest.raises(json.JsonError, match="nested too deep"):
            json.validate(text, max_depth=depth)


def test_hostile_nesting_of_many_megabytes_is_refused_at_once() -> None:
    for text in (b"[" * 10_000_000, b'{"a":' * 2_000_000):
        with pytest.raises(json.JsonError, match="nested too deep"):
            json.validate(text, max_depth=1024)


@given(st.text())
def test_escaping_and_decoding_are_what_json_says(text: str) -> None:
    raw = text.encode()
    for kernel in KERNELS:
        escaped = json.escape(text, kernel=kernel)
        assert json.escape(raw, kernel=kernel) == escaped
        assert orjson.loads(b'"' + escaped + b'"') == text
        assert json.decode(b'"' + escaped + b'"', kernel=kernel) == text
        assert json.decode(stdlib_json.dumps(text).encode(), kernel=kernel) == text


def test_escaping_is_minimal() -> None:
    everything = "".join(map(chr, range(0x80)))
    assert json.escape(everything) == orjson.dumps(everything)[1:-1]
    with pytest.raises(json.JsonError, match="UTF-8"):
        json.escape(b"ab\xff")
    with pytest.raises(json.JsonError, match="not a string"):
        json.decode(b"12")


def valid_prefix(data: bytes) -> int:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return len(data)


PIECES = st.sampled_from(
    [
        b"a" * 31,
        b"b" * 64,
        "é".encode(),
        "数".encode(),
        "😀".encode(),
        b"\xc3",
        b"\xe0\x9f",
        b"\xed\xa0",
        b"\xf0\x8f",
        b"\xf4\x90",
        b"\x80",
    ]
)


@settings(max_examples=300)
@given(st.lists(PIECES | st.binary(max_size=3) | st.text(max_size=40).map(str.encode), max_size=12).map(b"".join))
def test_utf8_is_judged_as_python_does(data: bytes) -> None:
    for kernel in KERNELS:
        assert json.utf8_fault(data, kernel=kernel) == valid_prefix(data)


@pytest.mark.parametrize("kernel", KERNELS)
def test_utf8_faults_are_found_at_every_offset(kernel: str) -> None:
    for fault in (b"\xff", b"\xc3", b"\xe6\x95", b"\xf0\x9f\x98", b"\x80"):
        for offset in range(140):
            data = b"x" * offset + fault + b"y" * 70
            assert json.utf8_fault(data, kernel=kernel) == offset
            assert json.utf8_fault(data[: offset + len(fault)], kernel=kernel) == offset


@pytest.mark.parametrize("kernel", KERNELS)
def test_plain_runs_end_where_they_must(kernel: str) -> None:
    for stop in (b'"', b"\\", b"\x1f", b"\x00", b"\x80", b"\xff"):
        for offset in range(140):
            data = b"!" * offset + stop + b"#" * 70
            for start in {0, offset // 2, offset}:
                assert json.plain_run(data, start, kernel=kernel) == offset
            assert json.plain_run(data[:offset], 0, kernel=kernel) == offset
    every_plain = bytes([*range(0x23, 0x5C), *range(0x5D, 0x80)])
    assert json.plain_run(every_plain, 0, kernel=kernel) == len(every_plain)


def test_any_buffer_of_bytes_will_do_and_nothing_else() -> None:
    for text in (bytearray(b"[1]"), memoryview(b"[1]")):
        json.validate(text)
    with pytest.raises(TypeError):
        json.validate("[1]")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="choose from"):
        json.validate(b"1", kernel="abacus")
    with pytest.raises(ValueError, match="outside"):
        json.plain_run(b"a", 2)


def test_errors_can_be_sent_to_another_process() -> None:
    with pytest.raises(json.JsonError) as caught:
        json.validate(b"[1,]")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.position, again.reason, str(again)) == (3, caught.value.reason, str(caught.value))
