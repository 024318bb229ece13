"""Component values against the `wasmtime` package's own bindings.

The same JSON must be the same bytes in the guest's memory, and the same bytes must be the same JSON. One guest per
type: `echo` gives its argument back; `dump` gives back every byte of memory that lowering the argument wrote. The
second parameter is so wide that all parameters go through memory.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import wasmtime
import wasmtime.component
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcpkit.core.wasm import Program, Tool
from mcpkit.guests import describe
from mcpkit.guests.schema import input_schema, output_schema
from mcpkit.wasm import Runtime
from wit_types import TYPES, Text, Wit, from_package, rounded, to_package, values

WIDE = f"(option (tuple {'u32 ' * 17}))"

GUEST = """(component
 (core module $m
  (memory (export "memory") 16)
  (global $at (mut i32) (i32.const 4096))
  (func (export "realloc") (param i32 i32 i32 i32) (result i32) (local $r i32)
   (local.set $r (i32.and (i32.add (global.get $at) (i32.const 15)) (i32.const -16)))
   (global.set $at (i32.add (local.get $r) (local.get 3)))
   (local.get $r))
  (func (export "echo") (param i32) (result i32) (local.get 0))
  (func (export "dump") (param i32) (result i32)
   (i32.store (i32.const 0) (i32.const 4096))
   (i32.store (i32.const 4) (i32.sub (global.get $at) (i32.const 4096)))
   (i32.const 0)))
 (core instance $i (instantiate $m))
 (alias core export $i "memory" (core memory $memory))
 (alias core export $i "realloc" (core func $realloc))
 (type $wide %(wide)s)
 %(types)s
 (func (export "echo") (param "a" %(type)s) (param "p" $wide) (result (tuple %(type)s $wide))
  (canon lift (core func $i "echo") (memory $memory) (realloc $realloc)))
 (func (export "dump") (param "a" %(type)s) (param "p" $wide) (result (list u8))
  (canon lift (core func $i "dump") (memory $memory) (realloc $realloc))))"""


class Ours:
    """A type's guest under our engine."""

    def __init__(self, runtime: Runtime, text: str) -> None:
        self.program: Program = runtime.open_bytes(text.encode(), name="guest")
        self.tools = {name: Tool(self.program, style="function", function=name) for name in ("echo", "dump")}

    def __call__(self, name: str, value: Any) -> Any:
        result = self.tools[name].call(json.dumps({"a": value}).encode())
        assert result.status == "ok", result.detail
        return json.loads(result.output)


class Theirs:
    """The same guest under the package."""

    engine = wasmtime.Engine()

    def __init__(self, text: str) -> None:
        self.component = wasmtime.component.Component(self.engine, text)
        self.linker = wasmtime.component.Linker(self.engine)

    def __call__(self, name: str, type_: Wit, value: Any) -> Any:
        store = wasmtime.Store(self.engine)
        function = self.linker.instantiate(store, self.component).get_func(store, name)
        assert function is not None
        parameter = function.type(store).params[0][1]
        answer = function(store, to_package(type_, value, parameter), None)
        return list(answer) if name == "dump" else from_package(type_, answer[0], parameter)


def guest_text(type_: Wit) -> str:
    text = Text()
    name = text.of(type_)
    return GUEST % {"wide": WIDE, "types": "\n ".join(text.declared), "type": name}


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with Runtime(cache=False, parallel_compilation=False, max_instances=8) as made:
        yield made


@st.composite
def samples(draw: st.DrawFn) -> tuple[Wit, list[Any]]:
    type_ = draw(TYPES)
    return type_, draw(st.lists(values(type_), min_size=1, max_size=4))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sample=samples())
def test_same_bytes_in_the_guest_and_same_json_back(runtime: Runtime, sample: tuple[Wit, list[Any]]) -> None:
    type_, examples = sample
    text = guest_text(type_)
    ours, theirs = Ours(runtime, text), Theirs(text)
    for value in examples:
        assert ours("dump", value) == theirs("dump", type_, value)
        echoed = ours("echo", value)
        assert echoed["val1"] is None
        assert rounded(type_, echoed["val0"]) == theirs("echo", type_, value)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sample=samples())
def test_schemas_describe_what_is_accepted_and_what_comes_back(runtime: Runtime, sample: tuple[Wit, list[Any]]) -> None:
    type_, examples = sample
    ours = Ours(runtime, guest_text(type_))
    described = describe.read(ours.program.describe())
    assert isinstance(described, describe.Component)
    echo = next(function for function in described.exports if function.name == "echo")
    for value in examples:
        assert accepts(input_schema(echo), {"a": value})
        assert accepts(output_schema(echo), {"result": ours("echo", value)})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sample=samples(), data=st.data())
def test_what_a_schema_refuses_the_conversion_refuses(
    runtime: Runtime, sample: tuple[Wit, list[Any]], data: st.DataObject
) -> None:
    type_, examples = sample
    ours = Ours(runtime, guest_text(type_))
    described = describe.read(ours.program.describe())
    assert isinstance(described, describe.Component)
    echo = next(function for function in described.exports if function.name == "echo")
    for value in examples:
        damaged = data.draw(damage(value))
        result = ours.tools["echo"].call(json.dumps({"a": damaged}).encode())
        assert (result.status == "ok") == accepts(input_schema(echo), {"a": damaged}), result.detail
        if result.status != "ok":
            assert result.status == "bad_arguments"
            assert result.detail.startswith("a")


ODD = st.sampled_from(
    [None, True, 0, -1, 300, 1.5, 2.0, 10**30, "", "x", "xy", "NaN", [], [[]], [0], {}, {"tag": "nothing"}, {"some": 1}]
)


def damage(value: Any) -> st.SearchStrategy[Any]:
    """The value with one thing in it replaced, left out or added."""
    match value:
        case dict() if value:
            inside = st.sampled_from(sorted(value)).flatmap(
                lambda key: damage(value[key]).map(lambda other: value | {key: other})
            )
            missing = st.sampled_from(sorted(value)).map(lambda key: {k: v for k, v in value.items() if k != key})
            return st.one_of(ODD, inside, missing, ODD.map(lambda other: value | {"unknown": other}))
        case list() if value:
            inside = st.integers(0, len(value) - 1).flatmap(
                lambda at: damage(value[at]).map(lambda other: [*value[:at], other, *value[at + 1 :]])
            )
            return st.one_of(ODD, inside, ODD.map(lambda other: [*value, other]), st.just(value[:-1]))
        case _:
            return ODD


def accepts(schema: Any, value: Any) -> bool:
    """JSON Schema, as much of 2020-12 as our schemas use; an unknown keyword is an error of the test."""
    if isinstance(schema, bool):
        return schema
    kinds = schema.get("type")
    checks = {
        "type": lambda: any(_is(kind, value) for kind in ([kinds] if isinstance(kinds, str) else kinds)),
        "enum": lambda: any(_same(value, one) for one in schema["enum"]),
        "const": lambda: _same(value, schema["const"]),
        "minimum": lambda: not _is("number", value) or value >= schema["minimum"],
        "maximum": lambda: not _is("number", value) or value <= schema["maximum"],
        "exclusiveMinimum": lambda: not _is("number", value) or value > schema["exclusiveMinimum"],
        "exclusiveMaximum": lambda: not _is("number", value) or value < schema["exclusiveMaximum"],
        "minLength": lambda: not isinstance(value, str) or len(value) >= schema["minLength"],
        "maxLength": lambda: not isinstance(value, str) or len(value) <= schema["maxLength"],
        "minItems": lambda: not isinstance(value, list) or len(value) >= schema["minItems"],
        "maxItems": lambda: not isinstance(value, list) or len(value) <= schema["maxItems"],
        "uniqueItems": lambda: not isinstance(value, list) or len({json.dumps(item) for item in value}) == len(value),
        "prefixItems": lambda: not isinstance(value, list) or all(map(accepts, schema["prefixItems"], value)),
        "items": lambda: (
            not isinstance(value, list)
            or all(accepts(schema["items"], item) for item in value[len(schema.get("prefixItems", ())) :])
        ),
        "required": lambda: not isinstance(value, dict) or all(name in value for name in schema["required"]),
        "properties": lambda: (
            not isinstance(value, dict)
            or all(accepts(part, value[name]) for name, part in schema["properties"].items() if name in value)
        ),
        "additionalProperties": lambda: not isinstance(value, dict) or set(value) <= set(schema["properties"]),
        "anyOf": lambda: any(accepts(part, value) for part in schema["anyOf"]),
        "oneOf": lambda: sum(accepts(part, value) for part in schema["oneOf"]) == 1,
    }
    return all(checks[keyword]() for keyword in schema)


def _is(kind: str, value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        "null": value is None,
        "boolean": isinstance(value, bool),
        "integer": number and value == int(value),
        "number": number,
        "string": isinstance(value, str),
        "array": isinstance(value, list),
        "object": isinstance(value, dict),
    }[kind]


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


def float_guest(runtime: Runtime, kind: str) -> Ours:
    return Ours(runtime, guest_text(Wit("list", (Wit(kind),))))


def test_floats_print_with_the_fewest_digits_that_read_back(runtime: Runtime) -> None:
    numbers = [
        0.1,
        1e16,
        1e15,
        123456789012345680.0,
        1e-5,
        1e-6,
        5e-324,
        2.2250738585072014e-308,
        1.7976931348623157e308,
    ]
    numbers += [-0.0, 5.0, 0.30000000000000004, 1 / 3, 2.0**60, 9007199254740993.0, 4.35, 100.0, 1e22, 1e23, -1.5e-9]
    tool = float_guest(runtime, "f64").tools["echo"]
    printed = tool.call(json.dumps({"a": numbers}).encode()).output.decode()
    shortest = [orjson.dumps(number).decode().replace("e+", "e") for number in numbers]
    assert printed.partition("[")[2].partition("]")[0].split(",") == shortest


@settings(max_examples=50, deadline=None)
@given(numbers=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=30))
def test_f64_survives_bit_for_bit(runtime: Runtime, numbers: list[float]) -> None:
    echoed = float_guest(runtime, "f64")("echo", numbers)["val0"]
    assert [struct.pack("d", number) for number in echoed] == [struct.pack("d", number) for number in numbers]


def test_numbers_do_not_depend_on_the_process_locale(runtime: Runtime) -> None:
    import locale

    before = locale.setlocale(locale.LC_NUMERIC)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR", before):
        try:
            locale.setlocale(locale.LC_NUMERIC, name)
            break
        except locale.Error:
            continue
    try:
        numbers = [1.5, 3.141592653589793, 1e-300, 123456.789]
        assert float_guest(runtime, "f64")("echo", numbers)["val0"] == numbers
    finally:
        locale.setlocale(locale.LC_NUMERIC, before)


def test_invalid_text_never_reaches_the_engine(runtime: Runtime) -> None:
    tool = Ours(runtime, guest_text(Wit("string"))).tools["echo"]
    for bad in (b'"\xff"', b'"\xed\xa0\x80"', b'"\\ud800"', b'"\xf4\x90\x80\x80"', b'"\x01"'):
        assert tool.call(b'{"a":' + bad + b"}").status == "bad_arguments"
    assert tool.call(b'{"a":"\\u0000"}').status == "ok"
