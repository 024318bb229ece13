"""The example tools do what their descriptions say, and what makes them says clearly what it cannot do."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import guests
from guests import COMMAND, FREESTANDING, BuildError, compile_c, component, wit
from mcpkit.config import load
from mcpkit.core.wasm import Program, Tool
from mcpkit.guests import Catalogue
from mcpkit.wasm import Runtime

EXAMPLES = guests.ROOT / "examples"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    with Runtime(cache_dir=guests.BUILD / "compiled") as runtime:
        yield runtime


class Component:
    """Calls the functions of one exported interface."""

    def __init__(self, program: Program, interface: str | None) -> None:
        self.program, self.interface = program, interface

    def call(self, function: str, **arguments: object) -> tuple[str, Any]:
        tool = Tool(self.program, style="function", interface=self.interface, function=function)
        result = tool.call(json.dumps(arguments).encode())
        return result.status, json.loads(result.output) if result.output else result.detail


@pytest.fixture(scope="module")
def calculator(runtime: Runtime) -> Component:
    return Component(runtime.open(guests.build("calculator")), "example:calculator/calculator@1.0.0")


@pytest.fixture(scope="module")
def primes(runtime: Runtime) -> Component:
    return Component(runtime.open(guests.build("primes")), "example:primes/primes@1.0.0")


@pytest.fixture(scope="module")
def text_stats(runtime: Runtime) -> Tool:
    return Tool(runtime.open(guests.build("text-stats")), style="command", argv=("text-stats",))


def test_calculator(calculator: Component) -> None:
    assert calculator.call("add", a=2**31 - 1, b=2**31 - 1) == ("ok", 2**32 - 2)
    assert calculator.call("divide", dividend=1, divisor=8) == ("ok", 0.125)
    assert calculator.call("divide", dividend=1, divisor=0) == ("guest_error", "division by zero")
    summary = {"count": 4, "mean": 2.5, "minimum": 1, "maximum": 4, "deviation": 1.25**0.5}
    assert calculator.call("statistics", values=[1, 2, 3, 4]) == ("ok", summary)
    assert calculator.call("statistics", values=[])[0] == "guest_error"
    status, boiling = calculator.call("convert-temperature", degrees=100, source="celsius", target="fahrenheit")
    assert (status, round(boiling, 9)) == ("ok", 212)


def test_primes(primes: Component) -> None:
    assert [n for n in range(60) if primes.call("is-prime", n=n) == ("ok", True)] == [
        2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59,
    ]  # fmt: skip
    assert primes.call("factors", n=600851475143) == ("ok", [71, 839, 1471, 6857])
    assert primes.call("factors", n=2**63) == ("ok", [2] * 63)
    assert primes.call("factors", n=2**64 - 1) == ("ok", [3, 5, 17, 257, 641, 65537, 6700417])
    assert primes.call("factors", n=1) == ("ok", [])
    for bound, count in ((0, 0), (2, 0), (3, 1), (4, 2), (10, 4), (100, 25), (1_000_000, 78498)):
        assert primes.call("count-below", bound=bound) == ("ok", count)


def test_primes_costs_what_it_should_and_stops_at_a_limit(primes: Component) -> None:
    tool = Tool(primes.program, style="function", interface=primes.interface, function="is-prime", max_units=10_000_000)
    assert tool.call(b'{"n": 1000000007}').status == "ok"
    assert tool.call(b'{"n": 2305843009213693951}').status == "out_of_units"


def test_primes_says_when_the_sieve_does_not_fit(primes: Component) -> None:
    tool = Tool(
        primes.program, style="function", interface=primes.interface, function="count-below", max_memory=1 << 20
    )
    result = tool.call(b'{"bound": 4000000000}')
    assert result.status == "guest_error"
    assert b"does not fit" in result.output


def stats(*values: object) -> dict[str, object]:
    names = ("lines", "words", "sentences", "characters", "bytes", "longest_word", "reading_seconds")
    return dict(zip(names, values, strict=True))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"text": 'Hello "big" wörld.\nIt is \N{GRINNING FACE} fine!'},
            stats(2, 7, 2, 32, 36, "wörld.", 2.1),
        ),
        (
            {"ignored": {"text": ["}", 1]}, "words_per_minute": 60, "text": "naïveté is tested"},
            stats(1, 3, 1, 17, 19, "naïveté", 3),
        ),
        (
            {"text": ""},
            stats(0, 0, 0, 0, 0, "", 0),
        ),
        ({}, {"error": "the argument 'text' is missing or is no string"}),
        ({"text": 7}, {"error": "the argument 'text' is missing or is no string"}),
        ({"text": "x", "words_per_minute": -1}, {"error": "'words_per_minute' must be more than 0"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("ascii_only", [True, False])
def test_text_stats(text_stats: Tool, arguments: object, expected: dict[str, Any], ascii_only: bool) -> None:
    result = text_stats.call(json.dumps(arguments, ensure_ascii=ascii_only).encode())
    assert (result.exit_status, json.loads(result.output)) == (0, expected)


def test_text_stats_with_a_text_of_a_megabyte(text_stats: Tool) -> None:
    result = text_stats.call(json.dumps({"text": "word " * 200_000}).encode())
    assert json.loads(result.output)["words"] == 200_000


def test_python_tool(runtime: Runtime) -> None:
    tool = Component(runtime.open(guests.build("py-tool")), "example:py-tool/text@1.0.0")
    assert tool.call("slugify", title="Ça va, Ångström & Co?") == ("ok", "ca-va-angstrom-co")
    expected = [{"start": 0, "text": "ab", "groups": ["a", None]}, {"start": 3, "text": "cb", "groups": [None, "c"]}]
    assert tool.call("find-all", pattern="(?:(a)|(c))b", text="ab cb") == ("ok", expected)
    status, message = tool.call("find-all", pattern="(", text="")
    assert status == "guest_error"
    assert "not a regular expression" in message


def test_the_configuration_serves_exactly_the_default_tools() -> None:
    for name in ("text-stats", "calculator", "primes"):
        guests.build(name)
    config = load(EXAMPLES / "config.yaml")
    assert [module.label for module in config.modules()] == ["text-stats", "calculator", "primes"]
    assert all(module.path.is_file() for module in config.modules())
    with Runtime(cache_dir=guests.BUILD / "compiled") as runtime:
        tools = {tool.name: tool.description for tool in Catalogue.open(runtime, config.modules(), config.mcp.tools)}
    assert sorted(tools) == [
        "add", "convert-temperature", "count-below", "divide", "factors", "is-prime", "statistics", "text-stats",
    ]  # fmt: skip
    assert tools["add"] == "Add two whole numbers; the sum is exact."
    assert (tools["text-stats"] or "").startswith("Count the lines, words")


def test_building_again_changes_nothing() -> None:
    file = guests.build("primes")
    before = file.stat().st_mtime_ns
    command = [sys.executable, str(EXAMPLES / "build.py"), "primes"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "examples/build/primes/primes.wasm" in output
    assert file.stat().st_mtime_ns == before


def test_several_processes_build_the_same_guest(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import guests; from pathlib import Path;"
        "guests.BUILD = Path(sys.argv[2]); print(guests.build('echo_p2').stat().st_size)"
    )
    command = [sys.executable, "-c", code, str(guests.ROOT / "tests"), str(tmp_path)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    sizes = {process.communicate(timeout=60)[0] for process in processes}
    assert sizes == {f"{guests.build('echo_p2').stat().st_size}\n"}


# --- every kind of type, from C and WIT to JSON and back


@pytest.mark.parametrize(
    ("function", "values"),
    [
        ("of-bool", [True, False]),
        ("of-s8", [-128, 127]),
        ("of-u8", [0, 255]),
        ("of-s16", [-32768, 32767]),
        ("of-u16", [65535]),
        ("of-s32", [-(2**31), 2**31 - 1]),
        ("of-u32", [2**32 - 1]),
        ("of-s64", [-(2**63), 2**63 - 1, 2**53 + 1]),
        ("of-u64", [2**64 - 1]),
        ("of-f32", [0.5, -0.0, 1e-45]),
        ("of-f64", [0.1, 5e-324, 1.7976931348623157e308]),
        ("of-char", ["x", "é", "\N{GRINNING FACE}"]),
        ("of-string", ["", "ü\0\N{GRINNING FACE}", "x" * 100_000]),
        ("of-color", ["red", "blue"]),
        ("of-rights", [[], ["read", "execute"]]),
        ("of-point", [{"x": -1, "y": 2}]),
        ("of-pair", [{"val0": 7, "val1": "seven"}]),
        ("of-shape", [{"tag": "circle", "val": 0.1}, {"tag": "nothing"}]),
        ("of-shape", [{"tag": "rectangle", "val": {"x": 3, "y": -4}}]),
        ("of-option", [None, 0, 9]),
        ("list-of-bool", [[True, False]]),
        ("list-of-u8", [[0, 128, 255]]),
        ("list-of-s64", [[2**63 - 1, -(2**63)]]),
        ("list-of-f64", [[0.1, 1e300]]),
        ("list-of-char", [["a", "\N{GRINNING FACE}"]]),
        ("list-of-string", [[], ["", "a", "ö"]]),
        ("list-of-color", [["green", "red"]]),
        ("list-of-rights", [[["write"], []]]),
        ("list-of-point", [[{"x": 1, "y": 2}, {"x": 3, "y": 4}]]),
        ("list-of-pair", [[{"val0": 1, "val1": "one"}]]),
        ("list-of-shape", [[{"tag": "nothing"}, {"tag": "circle", "val": 2.5}]]),
        ("list-of-option", [[None, {"some": None}, {"some": 5}]]),
        ("list-of-result", [[{"ok": "fine"}, {"err": 2**64 - 1}]]),
        ("list-of-empty-result", [[{"ok": None}, {"err": None}]]),
        ("list-of-list", [[[], ["a"], ["b", "c"]]]),
        (
            "list-of-nest",
            [[{"name": "n", "points": [{"x": 1, "y": 1}], "maybe": "red", "outcome": {"err": "no"}, "rights": ["write"],
               "any": {"tag": "rectangle", "val": {"x": 0, "y": 9}}}]],
        ),
    ],
)  # fmt: skip
def test_every_type_comes_back(runtime: Runtime, function: str, values: list[object]) -> None:
    echo = Component(runtime.open(guests.build("types")), "test:types/echo@0.1.0")
    for value in values:
        name = "value" if function.startswith("of-") else "values"
        assert echo.call(function, **{name: value}) == ("ok", value)


def test_top_level_results_and_the_worlds_root(runtime: Runtime) -> None:
    program = runtime.open(guests.build("types"))
    echo = Component(program, "test:types/echo@0.1.0")
    assert echo.call("of-result", value={"ok": 5}) == ("ok", 5)
    assert echo.call("of-result", value={"err": 6}) == ("guest_error", 6)
    assert echo.call("of-nothing") == ("ok", None)
    assert Component(program, None).call("greet", name="Ada") == ("ok", "hello, Ada")


# --- the component maker


def test_documentation_goes_along() -> None:
    docs = component.package_docs(wit.parse((EXAMPLES / "calculator" / "calculator.wit").read_text(encoding="utf-8")))
    assert docs["package"] == "example:calculator@1.0.0"
    interface = docs["interfaces"]["calculator"]  # type: ignore[index]
    assert interface["funcs"]["add"] == {"docs": "Add two whole numbers; the sum is exact."}
    assert interface["types"]["summary"]["items"]["count"] == "How many numbers there were."
    assert b"package-docs\x01{" in guests.build("calculator").read_bytes()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1: expected 'package', found 'the end of the file'"),
        ("package a:b;", "line 1: there is no world"),
        ("package a:b;\ninterface x { use y.{z}; }", "line 2: use is not supported"),
        ("package a:b;\ninterface x {\n resource r; }", "line 3: resource is not supported"),
        ("package a:b;\nworld w {\n import x: func(); }", "line 3: import is not supported"),
        ("package a:b;\nworld w { export x; }", "line 2: the world exports the interface 'x', which is not defined"),
        ("package a:b; interface x { f: func(s: stream<u8>); }", "line 1: the type stream is not supported"),
        ("package a:b; interface x { f: func(s: u8; }", r"line 1: expected '\)', found ';'"),
        ("package a:b; interface x { f: async func(); }", "line 1: async functions are not supported"),
        ("package a:b; ?", "line 1: unexpected character '\\?'"),
    ],
)
def test_wit_that_is_not_read_says_why(text: str, message: str) -> None:
    with pytest.raises(wit.WitError, match=message):
        wit.parse(text)


def test_wit_with_comments_attributes_and_keywords_as_names() -> None:
    package = wit.parse(
        """
        /// The package.
        package a:b@1.2.3-rc.1; // a comment
        /* another */
        interface i {
            /** Several
              * lines. */
            @since(version = 1.0.0)
            %type: func(%list: list<u8>, string: tuple<u8, result<_, s8>,>) -> option<char>;
            record: func();
        }
        world w { export i; }
        """
    )
    assert (package.name, package.version, package.docs) == ("a:b", "1.2.3-rc.1", "The package.")
    function, record = package.interfaces["i"].functions
    assert (function.name, function.docs, record.name) == ("type", "Several\nlines.", "record")
    assert [name for name, _ in function.params] == ["list", "string"]
    text = component.component_text(
        package, {"memory", "cabi_realloc", "a:b/i@1.2.3-rc.1#type", "a:b/i@1.2.3-rc.1#record"}
    )
    assert '(param "string" (tuple u8 (result (error s8))))' in text


def test_the_component_makers_command(tmp_path: Path) -> None:
    core, made = tmp_path / "core.wasm", tmp_path / "made.wasm"
    folder = EXAMPLES / "calculator"
    compile_c([folder / "calculator.c"], core, FREESTANDING, include=[EXAMPLES / "include"])
    command = [
        sys.executable,
        str(EXAMPLES / "componentize.py"),
        str(core),
        str(folder / "calculator.wit"),
        "-o",
        str(made),
    ]
    subprocess.run(command, check=True)
    assert made.read_bytes() == guests.build("calculator").read_bytes()
    command[3] = str(EXAMPLES / "primes" / "primes.wit")
    failed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "core.wasm: the module has no export 'example:primes/primes@1.0.0#is-prime'" in failed.stderr


def test_a_c_error_is_shown(tmp_path: Path) -> None:
    source = tmp_path / "wrong.c"
    source.write_text("int main(void) { return nothing; }")
    with pytest.raises(BuildError, match=r"wrong\.c:1:25: error: use of undeclared identifier 'nothing'"):
        compile_c([source], tmp_path / "wrong.wasm", COMMAND)


def test_a_module_that_does_not_fit_its_wit() -> None:
    package = wit.parse("package a:b;\nworld w { export f: func(x: u32) -> u32; }")
    empty = guests.build("spin").read_bytes()
    with pytest.raises(component.ComponentError, match="no export 'f' for the function 'f'"):
        component.componentize(empty, package)
    with pytest.raises(component.ComponentError, match="imports functions"):
        component.componentize(guests.build("sleep").read_bytes(), package)
    with pytest.raises(component.ComponentError, match="not a core WebAssembly module"):
        component.componentize(guests.build("types").read_bytes(), package)


# --- the guests that other tests lean on do what they say


@pytest.mark.parametrize(
    ("name", "status", "output"),
    [
        ("echo", "ok", b'{"a": 1}'),
        ("echo_p2", "ok", b'{"a": 1}'),
        ("multi", "ok", b'{"argument": "pick", "environment": "pick", "received": {"a": 1}}\n'),
        ("not_json", "ok", b"Hello, this is not JSON.\n"),
        ("tool_error", "ok", b'{"error": "the tank is empty"}\n'),
        ("chatter", "ok", b'{"ok": true}\n'),
        ("exit_status", "guest_error", b'{"answer": 42}\n'),
        ("grow_politely", "ok", b'{"refused": true}'),
        ("flood", "result_too_large", None),
        ("unreachable", "trap", None),
        ("grow", "trap", None),
        ("spin", "out_of_units", None),
        ("fill", "out_of_units", None),
        ("copy", "out_of_units", None),
        ("sleep", "timeout", None),
        ("sleep_p2", "timeout", None),
    ],
)
def test_guests(runtime: Runtime, name: str, status: str, output: bytes | None) -> None:
    tool = Tool(
        runtime.open(guests.build(name)),
        style="command",
        argv=(name, "pick"),
        env=(("MCPKIT_TOOL", "pick"),),
        max_units=200_000_000,
        max_memory=128 << 20,
        timeout_ns=300_000_000 if name.startswith("sleep") else 0,
    )
    result = tool.call(b'{"a": 1}')
    assert result.status == status
    if output is not None:
        assert result.output == output
        assert result.exit_status == (7 if name == "exit_status" else 0)
    if name == "chatter":
        assert result.stderr.startswith(b"remark 0000: ")
        assert len(result.stderr) == 65536
