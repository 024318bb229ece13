"""WIT types for property tests: as component text, as values, and as the `wasmtime` package sees both."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st
from wasmtime import component as package

INTEGERS = {f"{sign}{bits}": (sign == "s", bits) for sign in "su" for bits in (8, 16, 32, 64)}
PLAIN = ("bool", *INTEGERS, "f32", "f64", "char", "string")
NAMES = ("a", "count", "dark-green", "item2", "x1-y2", "payload")
SPECIAL = ("NaN", "Infinity", "-Infinity")

# Strings that escape in all ways; surrogates are no characters.
TEXT = st.text(st.characters(codec="utf-8"), max_size=12)


@dataclass(frozen=True)
class Wit:
    """A type: its kind and what it is made of (types, or names with types)."""

    kind: str
    parts: tuple[Any, ...] = ()


def _named(kind: str, parts: st.SearchStrategy[Any], least: int = 1) -> st.SearchStrategy[Wit]:
    names = st.lists(st.sampled_from(NAMES), min_size=least, max_size=4, unique=True)
    return names.flatmap(lambda keys: st.tuples(*(st.tuples(st.just(key), parts) for key in keys))).map(
        lambda members: Wit(kind, members)
    )


def _compound(inner: st.SearchStrategy[Wit]) -> st.SearchStrategy[Wit]:
    # The package tells untagged cases apart by their Python classes; the shapes here are not ambiguous to it.
    return st.one_of(
        inner.map(lambda type_: Wit("list", (type_,))),
        inner.map(lambda type_: Wit("option", (type_,))),
        st.lists(inner, min_size=1, max_size=4).map(lambda types: Wit("tuple", tuple(types))),
        _named("record", inner),
        _named("variant", st.none() | inner).map(
            lambda type_: Wit("variant", (*type_.parts, ("nothing", None), ("nothing-else", None)))
        ),
        _named("enum", st.none()),
        _named("flags", st.none()),
        inner.map(lambda type_: Wit("result", (type_, type_))),
        inner.map(lambda type_: Wit("result", (type_, None))),
        st.just(Wit("result", (None, None))),
    )


TYPES = st.recursive(st.sampled_from(PLAIN).map(Wit), _compound, max_leaves=6)


class Text:
    """Component text of types; records, variants, enums and flags get the names that exports need."""

    def __init__(self) -> None:
        self.declared: list[str] = []

    def of(self, type_: Wit) -> str:
        match type_.kind:
            case "list" | "option" | "tuple":
                return f"({type_.kind} {' '.join(map(self.of, type_.parts))})"
            case "record":
                return self._declare("record", [f'(field "{name}" {self.of(part)})' for name, part in type_.parts])
            case "variant":
                cases = [f'(case "{name}" {self.of(part) if part else ""})' for name, part in type_.parts]
                return self._declare("variant", cases)
            case "enum" | "flags":
                return self._declare(type_.kind, [f'"{name}"' for name, _ in type_.parts])
            case "result":
                ok, err = type_.parts
                return f"(result {self.of(ok) if ok else ''} {f'(error {self.of(err)})' if err else ''})"
            case plain:
                return plain

    def _declare(self, kind: str, parts: list[str]) -> str:
        name = f"$t{len(self.declared)}"
        self.declared.append(
            f'(type {name}-own ({kind} {" ".join(parts)})) (export {name} "t{len(self.declared)}" (type {name}-own))'
        )
        return name


def values(type_: Wit) -> st.SearchStrategy[Any]:
    """JSON values of the type, as tools take them."""
    match type_.kind:
        case "bool":
            return st.booleans()
        case "f32":
            return st.floats(width=32, allow_nan=False, allow_infinity=False) | st.sampled_from(SPECIAL)
        case "f64":
            return st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(SPECIAL)
        case "char":
            return st.characters(codec="utf-8")
        case "string":
            return TEXT
        case "list":
            return st.lists(values(type_.parts[0]), max_size=3)
        case "option":
            inner = values(type_.parts[0])
            some = inner.map(lambda value: {"some": value}) if type_.parts[0].kind == "option" else inner
            return st.none() | some
        case "tuple":
            parts = st.tuples(*map(values, type_.parts))
            return parts.map(list) | parts.map(lambda row: {f"val{i}": value for i, value in enumerate(row)})
        case "record":
            return st.fixed_dictionaries({name: values(part) for name, part in type_.parts})
        case "variant":
            return st.one_of(
                *(
                    values(part).map(lambda value, name=name: {"val": value, "tag": name})
                    if part
                    else st.just({"tag": name})
                    for name, part in type_.parts
                )
            )
        case "enum":
            return st.sampled_from([name for name, _ in type_.parts])
        case "flags":
            return st.lists(st.sampled_from([name for name, _ in type_.parts]), unique=True)
        case "result":
            return st.one_of(
                *(
                    (values(part) if part else st.none()).map(lambda value, side=side: {side: value})
                    for side, part in zip(("ok", "err"), type_.parts, strict=True)
                )
            )
        case integer:
            signed, bits = INTEGERS[integer]
            return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)


def to_package(type_: Wit, value: Any, theirs: Any) -> Any:
    """The value as the package's Python value; `theirs` is the package's type."""
    match type_.kind:
        case "f32" | "f64":
            return float(value)
        case "list":
            items = [to_package(type_.parts[0], item, theirs.element) for item in value]
            return bytes(items) if type_.parts[0].kind == "u8" else items
        case "option":
            if value is None:
                return package.Variant("none") if theirs._tagged() else None
            inner = type_.parts[0]
            some = to_package(inner, value["some"] if inner.kind == "option" else value, theirs.payload)
            return package.Variant("some", some) if theirs._tagged() else some
        case "tuple":
            row = value if isinstance(value, list) else [value[f"val{i}"] for i in range(len(value))]
            return tuple(map(to_package, type_.parts, row, theirs.elements))
        case "record":
            record = package.Record()
            for (name, part), (_, field) in zip(type_.parts, theirs.fields, strict=True):
                setattr(record, name, to_package(part, value[name], field))
            return record
        case "variant":
            tag = value["tag"]
            part, case = dict(type_.parts)[tag], dict(theirs.cases)[tag]
            return package.Variant(tag, to_package(part, value["val"], case) if part else None)
        case "flags":
            return set(value)
        case "result":
            ((side, payload),) = value.items()
            part, case = dict(zip(("ok", "err"), type_.parts, strict=True))[side], getattr(theirs, side)
            inner = to_package(part, payload, case) if part else None
            return package.Variant(side, inner) if theirs._tagged() else inner
        case _:
            return value


def from_package(type_: Wit, value: Any, theirs: Any) -> Any:
    """The package's value as the JSON value that a tool gives back."""
    match type_.kind:
        case "f32" | "f64":
            if value != value:
                return "NaN"
            return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(value, value)
        case "list":
            return [from_package(type_.parts[0], item, theirs.element) for item in value]
        case "option":
            if theirs._tagged():
                if value.tag == "none":
                    return None
                value = value.payload
            elif value is None:
                return None
            some = from_package(type_.parts[0], value, theirs.payload)
            return {"some": some} if type_.parts[0].kind == "option" else some
        case "tuple":
            return {f"val{i}": item for i, item in enumerate(map(from_package, type_.parts, value, theirs.elements))}
        case "record":
            fields = dict(theirs.fields)
            return {name: from_package(part, getattr(value, name), fields[name]) for name, part in type_.parts}
        case "variant":
            part, case = dict(type_.parts)[value.tag], dict(theirs.cases)[value.tag]
            return {"tag": value.tag} | ({"val": from_package(part, value.payload, case)} if part else {})
        case "flags":
            return [name for name, _ in type_.parts if name in value]
        case "result":
            if theirs._tagged():
                side, payload = value.tag, value.payload
            else:
                side, payload = ("err" if value is None and type_.parts[1] is None else "ok"), value
            part = dict(zip(("ok", "err"), type_.parts, strict=True))[side]
            return {side: from_package(part, payload, getattr(theirs, side)) if part else None}
        case _:
            return value


def rounded(type_: Wit, value: Any) -> Any:
    """The JSON value with every f32 as the f32 it reads as: their shortest texts differ as f64."""
    match type_.kind:
        case "f32":
            return value if isinstance(value, str) else struct.unpack("f", struct.pack("f", value))[0]
        case "list":
            return [rounded(type_.parts[0], item) for item in value]
        case "option":
            if value is None:
                return None
            nested = type_.parts[0].kind == "option"
            return {"some": rounded(type_.parts[0], value["some"])} if nested else rounded(type_.parts[0], value)
        case "tuple":
            return {f"val{i}": rounded(part, value[f"val{i}"]) for i, part in enumerate(type_.parts)}
        case "record":
            return {name: rounded(part, value[name]) for name, part in type_.parts}
        case "variant":
            part = dict(type_.parts)[value["tag"]]
            return value | ({"val": rounded(part, value["val"])} if part else {})
        case "result":
            ((side, payload),) = value.items()
            part = dict(zip(("ok", "err"), type_.parts, strict=True))[side]
            return {side: rounded(part, payload) if part else None}
        case _:
            return value
