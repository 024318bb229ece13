"""JSON Schema checks: what fits, what does not and why, and that nobody's schema or value keeps a server busy."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpkit.schema import (
    Checker,
    HeaderMismatchError,
    SchemaError,
    SchemaMismatch,
    check_headers,
    header_parameters,
)

ADDRESS = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {"city": {"$anchor": "city", "type": "string", "minLength": 2}},
    "properties": {"city": {"$ref": "#city"}, "code": {"type": "integer"}, "tags": {"items": {"type": "string"}}},
    "if": {"required": ["code"]},
    "then": {"required": ["city"]},
    "additionalProperties": False,
}


def faults(schema: Any, value: Any) -> list[tuple[str, str]]:
    with pytest.raises(SchemaMismatch) as caught:
        Checker(schema).check(value)
    return caught.value.faults


def test_what_fits_passes() -> None:
    checker = Checker(ADDRESS)
    checker.check({"city": "Oslo", "code": 150, "tags": ["a"]})
    checker.check({"city": "Oslo", "code": 150.0})  # JSON has one kind of number
    checker.check({})


def test_a_fault_says_where_and_why() -> None:
    assert faults(ADDRESS, {"tags": ["a", 3]}) == [("tags[1]", '3 is not of type "string"')]
    assert faults(ADDRESS, {"code": 1}) == [("", '"city" is a required property')]
    assert faults({"properties": {"a": {"properties": {"b": False}}}}, {"a": {"b": 1}})[0][0] == "a.b"
    with pytest.raises(SchemaMismatch, match=r"^a: .*; b: "):
        Checker({"properties": {"a": {"type": "null"}, "b": {"type": "null"}}}).check({"a": 1, "b": 1})


def test_only_the_first_few_faults_are_named_and_values_are_not_quoted_at_length() -> None:
    assert len(faults({"items": {"type": "null"}}, [1] * 50)) == 3
    (only,) = faults({"type": "null"}, "x" * 10_000)
    assert len(only[1]) < 400


def test_a_schema_never_makes_the_server_fetch_anything() -> None:  # no network references
    for reference in ("https://example.com/schema.json", "http://127.0.0.1:1/x", "file:///etc/passwd", "other.json"):
        with pytest.raises(SchemaError, match="inside the schema only"):
            Checker({"properties": {"a": {"$ref": reference}}})
    with pytest.raises(SchemaError, match="does not exist"):
        Checker({"$ref": "#/$defs/missing"})


@pytest.mark.parametrize("draft", ["draft-04/schema#", "draft-06/schema#", "draft-07/schema#", "draft-07/schema"])
def test_older_dialects_are_understood(draft: str) -> None:
    schema = {"$schema": f"http://json-schema.org/{draft}", "definitions": {"a": {"type": "string"}}}
    Checker({**schema, "$ref": "#/definitions/a"}).check("x")


@pytest.mark.parametrize("dialect", ["https://example.com/mine", "2020-12", 7])
def test_an_unknown_dialect_is_refused(dialect: Any) -> None:
    with pytest.raises(SchemaError, match="dialect"):
        Checker({"$schema": dialect})


@pytest.mark.parametrize(
    "schema", [{"type": "text"}, {"minimum": "1"}, {"required": "a"}, {"pattern": "("}, {"properties": []}, 3, [], None]
)
def test_what_is_no_schema_is_refused(schema: Any) -> None:
    with pytest.raises(SchemaError):
        Checker(schema)


def nested(depth: int, wrap: str, inner: Any) -> Any:
    for _ in range(depth):
        inner = {wrap: inner} if wrap != "[" else [inner]
    return inner


def test_schemas_are_bounded() -> None:
    with pytest.raises(SchemaError, match="levels"):
        Checker(nested(5_000, "items", {}))
    with pytest.raises(SchemaError, match="values"):
        Checker({"enum": list(range(50_000))})


def test_values_are_bounded() -> None:
    tree = {"type": "array", "items": {"$ref": "#"}}
    Checker(tree).check(nested(90, "[", []))
    assert "levels" in faults(tree, nested(100_000, "[", []))[0][1]
    assert "values" in faults(True, [0] * 1_100_000)[0][1]


def doubling(levels: int) -> dict[str, Any]:
    """A small schema with 2 ** levels ways through it."""
    steps: dict[str, Any] = {
        f"s{n}": {"anyOf": [{"$ref": f"#/$defs/s{n + 1}"}, {"$ref": f"#/$defs/s{n + 1}"}]} for n in range(levels)
    }
    return {"$ref": "#/$defs/s0", "$defs": {**steps, f"s{levels}": {"type": "integer"}}}


def branching() -> dict[str, Any]:
    """Every level of a value can be read in two ways."""
    child = {"c": {"$ref": "#/$defs/n"}}
    ways = [{"properties": child, "required": ["x"]}, {"properties": child, "required": ["y"]}]
    return {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "anyOf": ways}}}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (branching(), nested(60, "c", {})),
        (doubling(12), "x"),
        ({"anyOf": [{"items": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, False]}, [3] * 300_000),
        ({"pattern": "^(a+)+$"}, "a" * 5_000 + "b"),
        ({"pattern": "^(?=(a|aa)+$)b"}, "a" * 5_000),
        ({"uniqueItems": True}, [{"a": n} for n in range(100_000)] + [{"a": 0}]),
    ],
    ids=["branches at every level", "doubling", "many faults", "nested repeats", "look-ahead", "unique items"],
)
def test_no_schema_keeps_the_server_busy(schema: Any, value: Any) -> None:
    # Each of these takes ages in a check without bounds; the time is far beyond what a slow machine needs.
    start = time.process_time()
    assert faults(schema, value)
    assert time.process_time() - start < 20


def test_schemas_that_double_at_every_step_are_refused() -> None:
    with pytest.raises(SchemaError, match="written out"):
        Checker(doubling(60))
    with pytest.raises(SchemaError, match="written out"):
        Checker(doubling(1_000))
    with pytest.raises(SchemaError, match="only the root"):
        Checker({"$defs": {"a": {"$id": "https://example.com/a"}}})


def test_patterns_that_grow_out_of_bounds_are_refused() -> None:
    with pytest.raises(SchemaError, match="regex"):
        Checker({"pattern": "(((a{1,100}){1,100}){1,100}){1,100}"})


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["null", "boolean", "integer", "number", "string", "array", "object"])


@given(TYPES, JSON)
def test_types_agree_with_the_reference_implementation(kind: str, value: Any) -> None:
    from jsonschema import Draft202012Validator

    schema = {"type": kind}
    if Draft202012Validator(schema).is_valid(value):
        Checker(schema).check(value)
    else:
        assert faults(schema, value)


# --- arguments in headers ---

QUERY = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "confirm": {"type": "boolean", "x-mcp-header": "Confirm"},
        "options": {"type": "object", "properties": {"limit": {"type": "integer", "x-mcp-header": "Limit"}}},
        "query": {"type": "string", "default": {"x-mcp-header": "only a value"}},
    },
}


def agree(arguments: Any, **headers: bytes | list[bytes]) -> None:
    given = {f"mcp-param-{name}": value if isinstance(value, list) else [value] for name, value in headers.items()}
    check_headers(header_parameters(QUERY), arguments, lambda name: given.get(name.lower(), []))


def test_annotated_parameters_are_found() -> None:
    assert header_parameters(QUERY) == [
        (("region",), "Region", "string"),
        (("confirm",), "Confirm", "boolean"),
        (("options", "limit"), "Limit", "integer"),
    ]
    assert header_parameters({"type": "object"}) == []
    assert header_parameters(QUERY)[0].header == "Mcp-Param-Region"


@pytest.mark.parametrize(
    ("properties", "why"),
    [
        ({"a": {"type": "string", "x-mcp-header": ""}}, "header's name"),
        ({"a": {"type": "string", "x-mcp-header": "two words"}}, "header's name"),
        ({"a": {"type": "string", "x-mcp-header": "a\r\nb"}}, "header's name"),
        ({"a": {"type": "string", "x-mcp-header": 3}}, "header's name"),
        ({"a": {"type": "number", "x-mcp-header": "A"}}, "'number'"),
        ({"a": {"type": ["string", "null"], "x-mcp-header": "A"}}, "null"),
        ({"a": {"x-mcp-header": "A"}}, "not for None"),
        ({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}, "taken by a"),
        ({"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}, "properties alone"),
        ({"a": {"anyOf": [{"type": "string", "x-mcp-header": "A"}]}}, "properties alone"),
        ({"a": {"anyOf": [{"properties": {"b": {"type": "string", "x-mcp-header": "A"}}}]}}, "properties alone"),
    ],
)
def test_annotations_that_the_protocol_forbids(properties: Any, why: str) -> None:
    with pytest.raises(SchemaError, match=why):
        header_parameters({"type": "object", "properties": properties})


def test_annotations_outside_the_properties_are_refused() -> None:
    part = {"type": "string", "x-mcp-header": "A"}
    for schema in (
        {"$defs": {"a": part}},
        {"patternProperties": {"a": part}},
        {"then": {"properties": {"a": part}}},
        part,
    ):
        with pytest.raises(SchemaError, match="properties alone"):
            header_parameters(schema)


def test_headers_that_agree() -> None:
    agree({"region": "us-west1", "confirm": True}, region=b"us-west1", confirm=b"true")
    agree({"region": "Grüße"}, region=b"=?base64?R3LDvMOfZQ==?=")
    agree({"region": " padded "}, region=b"=?base64?IHBhZGRlZCA=?=")
    agree({"region": "R3LDvMOfZQ=="}, region=b"R3LDvMOfZQ==")  # unmarked, so it is the text itself
    agree({"options": {"limit": 42}}, limit=b"42")
    agree({"options": {"limit": 42.0}}, limit=b"42")
    agree({"options": {"limit": -7}}, limit=b"-7.0")
    agree({"region": None})
    agree({"options": 3})
    agree({})


@pytest.mark.parametrize(
    ("arguments", "headers", "why"),
    [
        ({"region": "a"}, {}, "missing"),
        ({"region": "a"}, {"region": b"b"}, "does not say"),
        ({"region": "a"}, {"region": b"A"}, "does not say"),
        ({"region": "a"}, {"region": [b"a", b"a"]}, "2 times"),
        ({}, {"region": b"a"}, "is not"),
        ({"region": None}, {"region": b"null"}, "is not"),
        ({"region": "Grüße"}, {"region": "Grüße".encode()}, "characters"),
        ({"region": "a"}, {"region": b"=?base64?YQ?="}, "Base64"),
        ({"region": "a"}, {"region": b"=?base64?Y*==?="}, "Base64"),
        ({"region": "a"}, {"region": b"=?base64?/w==?="}, "Base64"),
        ({"confirm": True}, {"confirm": b"True"}, "does not say"),
        ({"confirm": True}, {"confirm": b"1"}, "does not say"),
        ({"options": {"limit": 42}}, {"limit": b"43"}, "does not say"),
        ({"options": {"limit": 42}}, {"limit": b"4_2"}, "does not say"),
        ({"options": {"limit": 2**53}}, {"limit": str(2**53).encode()}, "does not say"),
        ({"options": {"limit": [42]}}, {"limit": b"42"}, "does not say"),
    ],
)
def test_headers_that_do_not(arguments: Any, headers: dict[str, Any], why: str) -> None:
    with pytest.raises(HeaderMismatchError, match=why):
        agree(arguments, **headers)
