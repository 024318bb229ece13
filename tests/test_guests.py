"""From WebAssembly files to named, described tools that can be called."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import guests
from mcpkit.config.limits import Limits
from mcpkit.config.schema import Module, ToolConfig
from mcpkit.guests import (
    Catalogue,
    DescriptionError,
    DuplicateToolError,
    ManifestError,
    ToolConfigError,
    UnknownStyleError,
    UnknownToolError,
)
from mcpkit.guests.docs import Docs
from mcpkit.guests.names import Claim, is_valid, long_name, settle, short_name
from mcpkit.guests.recognise import layer
from mcpkit.wasm import Runtime

ADD = """(core module $m
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
 (core instance $i (instantiate $m))
 (func $add (param "a" s32) (param "b" s32) (result s32) (canon lift (core func $i "add")))"""


def calculator(interface: str = "example:math/calculator@1.0.0", function: str = "add-one") -> str:
    """A component whose only function stands in an interface."""
    return f"""(component {ADD}
     (instance $calculator (export "{function}" (func $add)))
     (export "{interface}" (instance $calculator)))"""


COMMAND = '(module (memory (export "memory") 1) (func (export "_start")))'


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    with Runtime(cache=False, parallel_compilation=False, max_instances=8) as made:
        yield made


class Folder:
    """Writes modules and opens them as a server would."""

    def __init__(self, path: Path, runtime: Runtime) -> None:
        self.path = path
        self.runtime = runtime
        self.modules: list[Module] = []

    def add(self, name: str, content: str | bytes, label: str | None = None) -> Path:
        path = self.path / f"{name}.wasm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.runtime.engine.from_text(content) if isinstance(content, str) else content)
        self.modules.append(Module(path=path, name=label))
        return path

    def open(self, *tools: ToolConfig) -> Catalogue:
        return Catalogue.open(self.runtime, self.modules, tools)


@pytest.fixture
def folder(tmp_path: Path, runtime: Runtime) -> Folder:
    return Folder(tmp_path, runtime)


def call(catalogue: Catalogue, name: str, arguments: Any, limits: Limits | None = None) -> Any:
    result = catalogue.tool(name).bind(limits or Limits()).call(json.dumps(arguments).encode())
    assert result.status == "ok", result.detail
    return json.loads(result.output)


# ---- components ----


def test_every_exported_function_is_a_tool(folder: Folder) -> None:
    folder.add("calculator", calculator())
    catalogue = folder.open()
    assert catalogue.names == ("add-one",)
    (spec,) = catalogue
    assert spec.qualified == "calculator/add-one"
    assert spec.module == "calculator"
    assert spec.description == "add-one (example:math/calculator)"
    number = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
    assert spec.input_schema == {
        "type": "object",
        "properties": {"a": number, "b": number},
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    assert spec.output_schema == {
        "type": "object",
        "properties": {"result": number},
        "required": ["result"],
        "additionalProperties": False,
    }
    assert call(catalogue, "add-one", {"a": 40, "b": 2}) == 42
    assert call(catalogue, "calculator/add-one", {"b": 1, "a": -1}) == 0


def test_functions_at_the_root_and_in_several_interfaces(folder: Folder) -> None:
    folder.add(
        "many",
        f"""(component {ADD}
         (instance $one (export "add" (func $add)) (export "only-here" (func $add)))
         (instance $two (export "add" (func $add)))
         (export "a:b/one@0.1.0" (instance $one))
         (export "a:b/two" (instance $two))
         (export "at-root" (func $add)))""",
    )
    catalogue = folder.open()
    assert [(spec.name, spec.qualified) for spec in catalogue] == [
        ("a_b_one_add", "many/a_b_one_add"),
        ("a_b_two_add", "many/a_b_two_add"),
        ("at-root", "many/at-root"),
        ("only-here", "many/only-here"),
    ]
    assert all(call(catalogue, spec.name, {"a": 1, "b": 2}) == 3 for spec in catalogue)


def test_what_cannot_be_a_tool_is_left_out_with_its_reason(folder: Folder, caplog: pytest.LogCaptureFixture) -> None:
    text = f"""(component {ADD}
      (type $h' (resource (rep i32)))
      (core module $n (func (export "open") (result i32) (i32.const 1)))
      (core instance $j (instantiate $n))
      (export $h "handle" (type $h'))
      (func (export "open") (result (own $h)) (canon lift (core func $j "open")))
      (export "add" (func $add)))"""
    folder.add("handles", text)
    with caplog.at_level(logging.WARNING, "mcpkit.guests"):
        catalogue = folder.open()
    assert catalogue.names == ("add",)
    assert "handles.wasm: not a tool: open: resource in the result" in caplog.text

    folder.modules.clear()
    folder.add("only-handles", text.replace('(export "add" (func $add))', ""))
    with pytest.raises(DescriptionError, match="no exported function can be a tool: open: resource in the result"):
        folder.open()


def test_descriptions_come_from_package_docs(folder: Folder, runtime: Runtime) -> None:
    docs = {"interfaces": {"calculator": {"docs": "All of it.", "funcs": {"add-one": {"docs": " Adds two numbers. "}}}}}
    folder.add("calculator", with_docs(runtime.engine.from_text(calculator()), docs))
    assert folder.open().tool("add-one").description == "Adds two numbers."


def leb(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128]) + leb(number >> 7)


def section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + leb(len(content)) + content


def custom(name: str, content: bytes) -> bytes:
    return section(0, leb(len(name)) + name.encode() + content)


def with_docs(binary: bytes, docs: dict[str, Any], version: int = 1) -> bytes:
    return binary + custom("package-docs", bytes([version]) + json.dumps(docs).encode())


EMPTY_COMPONENT = b"\0asm\x0d\0\1\0"
EMPTY_MODULE = b"\0asm\1\0\0\0"


def test_package_docs_are_found_wherever_tools_put_them() -> None:
    interface = {"package": "a:b@1.0.0", "interfaces": {"c": {"funcs": {"f": {"docs": "F."}}}}}
    world = {
        "worlds": {"w": {"func_exports": {"f": {"docs": "Root."}}, "interface_exports": {"c": {"funcs": {"f": "In."}}}}}
    }
    old = {"interfaces": {"c": {"funcs": {"f": "Old."}}}}
    other = {"package": "x:y@1.0.0", "interfaces": {"c": {"funcs": {"f": {"docs": "Other."}}}}}

    def lookup(binary: bytes, interface: str | None, name: str = "f") -> str | None:
        return Docs.of_bytes(binary).function(interface, name)

    top = with_docs(EMPTY_COMPONENT, interface)
    assert lookup(top, "a:b/c@1.0.0") == "F."
    assert lookup(top, "a:b/c@2.0.0") is None
    assert lookup(top, "a:b/d@1.0.0") is None
    assert lookup(top, None) is None
    assert lookup(with_docs(EMPTY_COMPONENT, world), None) == "Root."
    assert lookup(with_docs(EMPTY_COMPONENT, world), "c") == "In."
    assert lookup(with_docs(EMPTY_COMPONENT, old, version=0), "a:b/c@1.0.0") == "Old."
    assert lookup(with_docs(with_docs(EMPTY_COMPONENT, other), interface), "a:b/c@1.0.0") == "F."
    nested = EMPTY_COMPONENT + section(4, EMPTY_COMPONENT + section(4, top))
    assert lookup(nested, "a:b/c@1.0.0") == "F."
    in_core = EMPTY_COMPONENT + section(1, EMPTY_MODULE + custom("component-type:w", top))
    assert lookup(in_core, "a:b/c@1.0.0") == "F."
    # Unknown version, no JSON, cut short, hostile lengths: no documentation, and no failure.
    assert lookup(with_docs(EMPTY_COMPONENT, interface, version=9), "a:b/c@1.0.0") is None
    assert lookup(EMPTY_COMPONENT + custom("package-docs", b"\1{"), "a:b/c") is None
    for end in range(len(nested)):
        lookup(nested[:end], "a:b/c@1.0.0")
    assert lookup(EMPTY_COMPONENT + b"\0\xff\xff\xff\xff\xff\xff", "a:b/c") is None


@given(st.binary(max_size=200))
def test_docs_of_any_bytes(data: bytes) -> None:
    Docs.of_bytes(EMPTY_COMPONENT + data).function("a:b/c", "f")
    Docs.of_bytes(data).function(None, "f")


def test_configuration_describes_component_tools_better(folder: Folder) -> None:
    folder.add("calculator", calculator())
    (spec,) = folder.open(
        ToolConfig(name="add-one", title="Add", description="Adds.", annotations={"readOnlyHint": True})
    )
    assert (spec.name, spec.title, spec.description) == ("add-one", "Add", "Adds.")
    assert spec.annotations == {"readOnlyHint": True}
    assert list(spec.input_schema["properties"]) == ["a", "b"]
    (spec,) = folder.open(ToolConfig(name="example_math_calculator_add_one", description="By the long name."))
    assert spec.description == "By the long name."
    with pytest.raises(ToolConfigError, match=r"'add_on' of the module 'calculator'.* did you mean \"add-one\""):
        folder.open(ToolConfig(name="add_on"))
    with pytest.raises(ToolConfigError, match="described twice"):
        folder.open(ToolConfig(name="add-one"), ToolConfig(name="example_math_calculator_add_one"))


# ---- names ----


def test_tools_of_one_name_get_long_names_then_the_module_s(folder: Folder) -> None:
    folder.add("first", calculator("a:x/calc@1.0.0", "add"))
    folder.add("second", calculator("b:x/calc@1.0.0", "add"))
    folder.add("third", calculator("c:x/calc@1.0.0", "subtract"))
    assert folder.open().names == ("a_x_calc_add", "b_x_calc_add", "subtract")

    folder.add("fourth", calculator("a:x/calc@2.0.0", "add"))
    names = {spec.qualified: spec.name for spec in folder.open()}
    assert names == {
        "first/add": "first_add",
        "second/add": "b_x_calc_add",
        "third/subtract": "subtract",
        "fourth/add": "fourth_add",
    }


def test_names_do_not_depend_on_the_order_of_modules(folder: Folder) -> None:
    for name in ("first", "second", "third"):
        folder.add(name, calculator("a:x/calc@1.0.0", "add"))
    forwards = {spec.qualified: spec.name for spec in folder.open()}
    folder.modules.reverse()
    assert {spec.qualified: spec.name for spec in folder.open()} == forwards


def test_what_cannot_be_told_apart_is_refused(folder: Folder) -> None:
    folder.add("a/tool", COMMAND, "one")
    folder.add("b/tool", COMMAND, "two")
    with pytest.raises(DuplicateToolError, match="two tools are named 'same': one/same and two/same"):
        folder.open(ToolConfig(name="same", module="one"), ToolConfig(name="same", module="two"))

    folder.add("c/tool", COMMAND, "one")
    with pytest.raises(DuplicateToolError, match="two modules are named 'one'"):
        folder.open()


def test_a_configured_name_wins_over_a_found_one(folder: Folder) -> None:
    folder.add("calculator", calculator("a:x/calc", "add"))
    folder.add("other", COMMAND)
    names = {spec.qualified: spec.name for spec in folder.open(ToolConfig(name="add", module="other"))}
    assert names == {"other/add": "add", "calculator/add": "a_x_calc_add"}


@given(
    st.lists(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True), max_size=6).flatmap(
        lambda rows: st.tuples(st.just(rows), st.permutations(range(len(rows))))
    )
)
def test_settled_names_are_unique_and_the_same_in_any_order(case: tuple[list[list[str]], list[int]]) -> None:
    rows, order = case

    def settled(rows: list[list[str]]) -> list[str] | None:
        try:
            return settle([Claim(str(index), row) for index, row in enumerate(rows)])
        except DuplicateToolError:
            return None

    names = settled(rows)
    shuffled = settled([rows[index] for index in order])
    if names is None:
        assert shuffled is None
        return
    assert shuffled == [names[index] for index in order]
    assert len(set(names)) == len(names)
    assert all(name in row for name, row in zip(names, rows, strict=True))


def test_wit_names_as_tool_names() -> None:
    assert long_name("example:math/calculator@1.0.0", "add-one") == "example_math_calculator_add_one"
    assert long_name(None, "add-one") == "add_one"
    assert short_name("a:b/c", "add-one") == "add-one"
    assert short_name("a:b/c", "[static]counter.make") == "a_b_c_static_counter_make"
    assert is_valid(long_name("a" * 90 + ":b/c", "f" * 70))
    assert is_valid(short_name(None, "f" * 70))


def test_globs_mean_module_and_tool(folder: Folder) -> None:  # A42
    folder.add("math", calculator(function="add"))
    folder.add("text", calculator(function="add-words"))
    catalogue = folder.open()
    assert [spec.qualified for spec in catalogue.matching("math/*")] == ["math/add"]
    assert [spec.qualified for spec in catalogue.matching("*/add*")] == ["math/add", "text/add-words"]
    assert [spec.qualified for spec in catalogue.matching("add")] == ["math/add"]
    assert [spec.qualified for spec in catalogue.matching("*")] == ["math/add", "text/add-words"]
    assert catalogue.matching("maths/*") == ()
    with pytest.raises(UnknownToolError, match=r"no tool is named 'ad'; did you mean \"add\"\?"):
        catalogue.tool("ad")


# ---- commands ----


def test_a_command_without_any_description(folder: Folder) -> None:
    folder.add("my tool", COMMAND)
    (spec,) = folder.open()
    assert (spec.name, spec.qualified) == ("my_tool", "my tool/my_tool")
    assert spec.input_schema == {"type": "object"}
    assert spec.output_schema is None
    assert spec.description is None


def test_a_manifest_beside_the_module(folder: Folder) -> None:
    path = folder.add("module", COMMAND)
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    manifest: dict[str, Any] = {
        "name": "text-tool",
        "version": "1.0.0",
        "description": "From the manifest.",
        "wasm_module": "module.wasm",
        "input_schema": schema,
        "credentials": [],
        "timeout_seconds": 2,
        "max_memory_bytes": 65536,
        "max_fuel": 5000,
        "env_vars": [{"name": "MODE", "value": "fast"}],
        "unknown": "later versions may say more",
    }

    def write(**changes: Any) -> None:
        (path.parent / "manifest.json").write_text(json.dumps(manifest | changes))

    write()
    (spec,) = folder.open()
    assert (spec.name, spec.description, spec.input_schema) == ("text-tool", "From the manifest.", schema)
    assert spec.binding.env == (("MODE", "fast"),)
    assert (spec.binding.max_units, spec.binding.max_memory, spec.binding.timeout_ns) == (5000, 65536, 2_000_000_000)

    (spec,) = folder.open(ToolConfig(name="configured", description="Better."))
    assert (spec.name, spec.description, spec.input_schema) == ("configured", "Better.", schema)
    assert spec.binding.argv == ("module",)

    write(wasm_module="other.wasm")
    assert folder.open().names == ("module",)
    write(credentials=[{"name": "token", "type": "api_key", "env_var": "TOKEN"}])
    (spec,) = folder.open()
    assert [(one.name, one.variable, one.required) for one in spec.binding.credentials] == [("token", "TOKEN", True)]
    write(name="not a name")
    with pytest.raises(ManifestError, match="'not a name' is no tool name"):
        folder.open()
    write(timeout_seconds=0)
    with pytest.raises(ManifestError, match=r"manifest.json: .*timeout_seconds"):
        folder.open()
    (path.parent / "manifest.json").write_text("{")
    with pytest.raises(ManifestError, match=r"manifest.json"):
        folder.open()


def test_limits_of_a_manifest_only_tighten(folder: Folder) -> None:
    path = folder.add("spin", '(module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))')
    (path.parent / "manifest.json").write_text('{"max_fuel": 5000}')
    result = folder.open().tool("spin").bind(Limits()).call(b"{}")
    assert (result.status, result.units <= 5000) == ("out_of_units", True)
    result = folder.open().tool("spin").bind(Limits(max_units=1000)).call(b"{}")
    assert (result.status, result.units <= 1000) == ("out_of_units", True)


def test_several_tools_on_one_module(runtime: Runtime) -> None:
    path = guests.build("multi")
    tools = [ToolConfig(name="first"), ToolConfig(name="second")]
    catalogue = Catalogue.open(runtime, [Module(path=path)], tools)
    assert catalogue.names == ("first", "second")
    for name in catalogue.names:
        said = call(catalogue, name, {})
        assert (said["argument"], said["environment"]) == (name, name)
    alone = Catalogue.open(runtime, [Module(path=path)])
    said = call(alone, "multi", {"n": 1})
    assert (said["argument"], said["environment"], said["received"]) == ("", "", {"n": 1})


def test_a_command_is_run_and_answers(runtime: Runtime) -> None:
    catalogue = Catalogue.open(runtime, [Module(path=guests.build("echo"))])
    assert call(catalogue, "echo", {"text": "über"}) == {"text": "über"}


def test_a_component_that_exports_run_is_a_command(runtime: Runtime) -> None:
    catalogue = Catalogue.open(runtime, [Module(path=guests.build("echo_p2"))])
    (spec,) = catalogue
    assert spec.style == "command"
    assert call(catalogue, spec.name, {"n": 1}) == {"n": 1}


def test_bad_configuration_of_tools(folder: Folder) -> None:
    folder.add("one", COMMAND)
    folder.add("two", COMMAND)
    with pytest.raises(ToolConfigError, match=r"'x' must say which module it belongs to; there are: one, two"):
        folder.open(ToolConfig(name="x"))
    with pytest.raises(ToolConfigError, match=r"'x': no module is named 'tow'; did you mean \"two\"\?"):
        folder.open(ToolConfig(name="x", module="tow"))
    with pytest.raises(ToolConfigError, match="'not a name' of the module 'one' is no tool name"):
        folder.open(ToolConfig(name="not a name", module="one"))


# ---- styles ----


def test_a_program_of_no_style_says_what_it_is(folder: Folder) -> None:
    folder.add("library", '(module (func (export "add")) (func (export "sub")))')
    with pytest.raises(
        UnknownStyleError, match=r"library.wasm: is a core module that exports add, sub, .* the styles are"
    ):
        folder.open()
    folder.modules.clear()
    folder.add("empty", "(component)")
    with pytest.raises(UnknownStyleError, match="is a component that exports no function"):
        folder.open()


def test_the_preamble_tells_modules_from_components(runtime: Runtime) -> None:
    assert layer(runtime.engine.from_text("(module)")) == "module"
    assert layer(runtime.engine.from_text("(component)")) == "component"
    assert layer(b"\0asm\1\0\2\0") is None
    assert layer(b"(module)") is None
    assert layer(b"") is None
