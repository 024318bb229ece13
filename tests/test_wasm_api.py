"""What the core declares for wasmtime is what the installed package declares, and any other version is refused."""
# A5

import ctypes
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from wasmtime import _bindings, _ffi

from mcpkit.core import json
from mcpkit.core.wasm import MAJOR, Engine, LibraryError, Tool, wasmtime_layouts, wasmtime_prototypes
from mcpkit.wasm import find_library

# Members that the package names differently.
RENAMED = {"global": "global_", "outer": "_anon_1"}

# The package declares an error as the result, but the library leaves the register as it is (seen as a crash).
RETURNS_NOTHING = {"wasmtime_context_epoch_deadline_async_yield_and_update"}


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    made = Engine(str(find_library().path), max_instances=8)
    yield made
    made.close()


def package_type(name: str) -> type[ctypes.Structure]:
    found = getattr(_bindings, name, None) or getattr(_bindings, name.removesuffix("_t"))
    assert isinstance(found, type)
    return found


def package_offset(name: str, path: str) -> int:
    """Offset of `path` ("of.func") in the package's own declaration."""
    kind: type = package_type(name)
    offset = 0
    for step in path.split("."):
        types = {field[0]: field[1] for field in kind._fields_}
        if step.startswith("private_"):
            # Ours count through; the package's start anew after a nested structure, which holds the first one.
            private = [field for field in types if field.startswith("__private")]
            field = private[int(step.removeprefix("private_")) - ("_anon_1" in types)]
        else:
            field = RENAMED.get(step, step)
        offset += getattr(kind, field).offset
        kind = types[field]
    return offset


@pytest.mark.parametrize(("name", "member", "value"), wasmtime_layouts())
def test_layouts(name: str, member: str | None, value: int) -> None:
    if member is None:
        assert ctypes.sizeof(package_type(name)) == value
    else:
        assert package_offset(name, member) == value


def shape(kind: object) -> str:
    """A ctypes type as pointer, callback, or kind and size of a number."""
    if kind is None:
        return "void"
    assert isinstance(kind, type)
    if issubclass(kind, ctypes._Pointer) or kind is ctypes.c_void_p or issubclass(kind, ctypes._CFuncPtr):
        return "pointer"
    if kind is ctypes.c_bool:
        return "bool"
    return f"number{ctypes.sizeof(kind)}"


def declared(text: str) -> str:
    """The same for a C type of ours."""
    text = text.replace("const", "").strip()
    if text.endswith("*") or text in ("mck_finalizer", "mck_wasi_write", "mck_host_function"):
        return "pointer"
    sizes = {"size_t": 8, "uint64_t": 8, "int64_t": 8, "uint32_t": 4, "uint8_t": 1}
    return f"number{sizes[text]}" if text in sizes else text


@pytest.mark.parametrize(
    ("symbol", "result", "parameters"), wasmtime_prototypes(), ids=lambda v: v if "_" in v and "(" not in v else ""
)
def test_prototypes(symbol: str, result: str, parameters: str) -> None:
    function = getattr(_bindings, f"_{symbol}")
    if symbol not in RETURNS_NOTHING:
        assert declared(result) == shape(function.restype)
    inside = parameters.strip()[1:-1].strip()
    ours = [] if inside == "void" else [declared(one) for one in inside.split(",")]
    assert ours == [shape(one) for one in function.argtypes]


def test_constants() -> None:
    header = (Path(__file__).parent.parent / "cext/wasm/api.h").read_text()
    compared = 0
    for line in header.splitlines():
        name, equals, value = line.strip().partition(" = ")
        if not equals or not name.startswith(("WASM_EXTERN", "WASMTIME_")):
            continue
        number = int(value.split(",")[0])
        if name.startswith("WASM_EXTERN"):
            assert list(_bindings.wasm_externkind_enum)[number].name == name  # its values count from 1, C's from 0
        elif name.endswith("_MAP"):
            continue  # the package has no name for maps; test_map_kinds sees the numbers themselves
        else:
            assert getattr(_ffi, name).value == number
        compared += 1
    assert compared > 60


def test_map_kinds(engine: Engine) -> None:
    """A map in a signature is described as one, so its type kind is right, and echoed, so its value kind is."""
    program = engine.compile(
        engine.from_text("""(component
          (core module $m
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
            (func (export "echo") (param i32 i32) (result i32)
              (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16)))
          (core instance $i (instantiate $m))
          (func (export "echo") (param "x" (map u32 u32)) (result (map u32 u32))
            (canon lift (core func $i "echo") (memory (core memory $i "memory"))
              (realloc (core func $i "realloc")))))""")
    )
    assert b'{"map":["u32","u32"]}' in program.describe()
    result = Tool(program, style="function", function="echo").call(b'{"x": [[1, 10], [2, 20]]}')
    assert (result.status, result.output) == ("ok", b"[[1,10],[2,20]]")


def test_the_major_version_is_the_installed_one(engine: Engine) -> None:
    assert find_library().version.split(".")[0] == str(MAJOR)
    assert engine.fingerprint().startswith(b"wasmtime %d" % MAJOR)


def test_fingerprints_agree_between_engines(engine: Engine) -> None:
    other = Engine(str(find_library().path), max_instances=4)
    assert other.fingerprint() == engine.fingerprint()
    other.close()


def test_missing_library() -> None:
    with pytest.raises(LibraryError, match=r"cannot open wasmtime's library /nowhere/at/all\.so"):
        Engine("/nowhere/at/all.so")


def test_library_without_the_functions() -> None:
    assert json.__file__ is not None
    with pytest.raises(LibraryError, match="has no wasmtime_config_consume_fuel_set"):
        Engine(json.__file__)  # a shared library, but another one


@pytest.mark.skipif(sys.platform == "win32", reason="address space limits are a Unix matter")
def test_a_small_address_space_gets_fewer_instances() -> None:
    """Where `ulimit -v` leaves no room for the whole pool, a smaller one is made; without any room it says so."""
    script = f"""
import resource, sys
from mcpkit.core.wasm import Engine, EngineConfigError, Tool
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]) << 30,) * 2)
try:
    engine = Engine({str(find_library().path)!r})
except EngineConfigError as error:
    print(error)
    sys.exit()
program = engine.compile(engine.from_text('(component (core module $m (func (export "f") (result i32) i32.const 7)) '
    '(core instance $i (instantiate $m)) (func (export "f") (result u32) (canon lift (core func $i "f"))))'))
print(Tool(program, style="function", function="f").call(b"{{}}").output)
"""
    run = functools.partial(subprocess.run, capture_output=True, text=True, timeout=60, check=True)
    assert run([sys.executable, "-c", script, "64"]).stdout.strip() == "b'7'"
    assert "address space" in run([sys.executable, "-c", script, "4"]).stdout
