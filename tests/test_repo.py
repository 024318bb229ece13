"""The shape of the repository: rooms that depend downwards only, files that stay readable, nothing left lying about."""

from __future__ import annotations

import ast
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src" / "mcpkit"
MOST_LINES = 800

# From the ground up; a package may import what stands on a lower line, and itself. `mcpkit` alone is the package's own
# front, which loads what it names when it is asked.
LAYERS = [
    {"core"},
    {"config", "policy", "metering", "schema", "security", "storage", "telemetry"},
    {"wasm", "wasmedge", "platform"},
    {"guests", "native", "models", "bundle"},
    {"mcp"},
    {"application"},
    {"transport"},
    {"server"},
    {"gateway", "cluster"},
    {"cli"},
    {"__main__"},
]
LEAVES = LAYERS[1]
# Rooms that compile for a machine without an operating system: what C11 asks of a freestanding compiler, memcpy and its
# kin, and the compilers' own headers for vector instructions.
BARE_ROOMS = ["json", "rpc", "digest", "tensor", "meter"]
BARE_HEADERS = {
    *("float.h", "limits.h", "stdalign.h", "stdarg.h", "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "string.h"),
    *("arm_neon.h", "wasm_simd128.h", "intrin.h", "emmintrin.h", "immintrin.h"),
}
# Where a header's contract says that memory is taken, and nowhere else.
ALLOCATING = {"cext/rpc/lines.c": "stdlib.h"}


@cache
def tracked() -> list[Path]:
    """The project's files: what git knows, or in an unpacked sdist everything that is there."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]
    folders = ["src", "cext", "tests", "bench", "examples", "docs", "tools", ".github"]
    return [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]


def text_of(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError:
        return ""


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# --- Python rooms ---


def room_of(module: str) -> str:
    """``mcpkit.mcp.errors`` → ``mcp``; ``mcpkit`` → the empty string."""
    return module.split(".")[1] if "." in module else ""


def rank(room: str) -> int | None:
    return next((height for height, layer in enumerate(LAYERS) if room in layer), None)


def imports(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, module and name of everything that a file imports from mcpkit; the name is empty for a whole module."""
    package = ["mcpkit", *path.relative_to(SOURCE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        if isinstance(node, ast.Import):
            found = [(alias.name, "") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(filter(None, [base, node.module]))
            found = [(module, alias.name) for alias in node.names]
        else:
            continue
        yield from ((node.lineno, module, what) for module, what in found if module.split(".")[0] == "mcpkit")


def python_files() -> list[Path]:
    return [path for path in tracked() if SOURCE in path.parents and path.suffix in {".py", ".pyi"}]


def test_python_rooms_depend_downwards_only() -> None:
    wrong = []
    for path in python_files():
        here = path.relative_to(SOURCE).parts[0].removesuffix(".py").removesuffix(".pyi")
        if here in {"__init__", "guest"}:
            continue
        height = rank(here)
        assert height is not None, f"{name(path)}: a room that is on no line of LAYERS"
        for line, module, what in imports(path):
            there = room_of(module) or (what if rank(what) is not None else "")
            if there in {"", here}:
                continue
            below = rank(there)
            if below is None or below > height or (below == height and here not in LEAVES):
                wrong.append(f"{name(path)}:{line}: {here} may not import {there}")
    assert wrong == []


def test_the_guest_sdk_knows_nothing_of_the_host() -> None:
    for path in python_files():
        if path.relative_to(SOURCE).parts[0] == "guest":
            assert [module for _, module, _ in imports(path) if room_of(module) != "guest"] == [], name(path)


def test_no_room_reaches_for_anothers_private_names() -> None:
    wrong = []
    for path in python_files():
        here = path.relative_to(SOURCE).parts[0]
        for line, module, what in imports(path):
            private = [part for part in [*module.split("."), what] if re.match(r"_(?!_)", part)]
            if private and room_of(module) != here:
                wrong.append(f"{name(path)}:{line}: {module} {what}")
    assert wrong == []


def test_importing_the_package_costs_next_to_nothing() -> None:
    program = "import sys, mcpkit; print(*(m for m in ('asyncio', 'msgspec', 'wasmtime', 'json') if m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT / 'src')!r}); {program}"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == []


def test_every_public_name_is_there_when_it_is_asked_for() -> None:
    import mcpkit

    assert [public for public in mcpkit.__all__ if getattr(mcpkit, public, None) is None] == []
    with pytest.raises(AttributeError, match="no attribute 'Confg'"):
        _ = mcpkit.Confg


# --- C rooms ---


def c_files(*folders: str) -> list[Path]:
    inside = [ROOT / "cext" / folder for folder in folders]
    return [p for p in tracked() if p.suffix in {".c", ".h"} and any(folder in p.parents for folder in inside)]


def includes(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        found = re.match(r'\s*#\s*include\s+[<"]([^>"]+)[>"]', line)
        if found:
            yield number, found[1]


def test_bare_rooms_need_no_operating_system() -> None:
    wrong = []
    for path in c_files(*BARE_ROOMS):
        own = {p.name for p in path.parent.glob("*.h")}
        wrong += [
            f"{name(path)}:{line}: {header}"
            for line, header in includes(path)
            if header not in BARE_HEADERS | own | {ALLOCATING.get(name(path))} and not header.startswith("mcpkit/")
        ]
    assert wrong == []


def test_c_rooms_include_only_the_rooms_they_are_linked_with() -> None:
    linked: dict[str, list[str]] = {"cpu": [], "buffer": ["json"], **runpy.run_path(str(ROOT / "setup.py"))["ROOMS"]}
    rooms = {"http": "rpc", "account": "meter"}  # headers that are not named after their room
    wrong = []
    for room, allowed in linked.items():
        for path in c_files(room):
            for line, header in includes(path):
                if header.startswith("mcpkit/"):
                    stem = header.removeprefix("mcpkit/").removesuffix(".h")
                    if rooms.get(stem, stem) not in {room, *allowed}:
                        wrong.append(f"{name(path)}:{line}: {room} is not linked with {header}")
    assert wrong == []


def test_only_the_wasm_room_knows_wasmtime() -> None:
    wrong = [
        f"{name(path)}:{line}"
        for path in tracked()
        if path.suffix in {".c", ".h", ".pxd"} and ROOT / "cext" in path.parents and path.parent.name != "wasm"
        for line, header in includes(path)
        if Path(header).name == "api.h" and "tests" not in path.parts
    ]
    assert wrong == []


def test_extension_modules_show_nothing_but_their_entry() -> None:
    nm = shutil.which("nm")
    built = sorted((SOURCE / "core").glob("*.so"))
    assert nm, "nm comes with the compiler (binutils)"
    assert built, "make build first"
    for module in built:
        listed = subprocess.run([nm, "-D", "--defined-only", module], check=True, capture_output=True, text=True).stdout
        symbols = {line.split()[-1] for line in listed.splitlines()}
        assert symbols - {"_init", "_fini"} == {f"PyInit_{module.name.partition('.')[0]}"}, module.name


# --- the files themselves ---


def test_files_stay_short_enough_to_read() -> None:
    suffixes = {".py", ".pyx", ".pxd", ".pyi", ".c", ".h"}
    long = {
        name(path): lines
        for path in tracked()
        if path.suffix in suffixes and (lines := text_of(path).count("\n")) >= MOST_LINES
    }
    assert long == {}


@pytest.mark.parametrize(
    "pattern",
    [
        r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b",
        r"\.\./sha" r"red",
        r"/wo" r"rk/|/ro" r"ot/\.|/tm" r"p/w/",
        r"pypi\.o" r"rg|pythonhos" r"ted|npmj" r"s\.|registry\.n" r"pm",
        r"^(<{7}|>{7}) ",
    ],
    ids=["left open", "outside the project", "a path of one machine", "a registry's host", "a merge not finished"],
)
def test_nothing_is_left_lying_about(pattern: str) -> None:
    wanted = re.compile(pattern, re.MULTILINE)
    # Lock files of peers that benchmarks build name the hosts that they were resolved from.
    checked = [path for path in tracked() if path.suffix not in {".sum", ".lock"} and path.name != "package-lock.json"]
    found = [
        f"{name(path)}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]}"
        for path in checked
        if (text := text_of(path))
        for hit in wanted.finditer(text)
    ]
    assert found == []


def test_nothing_that_is_built_is_tracked() -> None:
    built = {".so", ".pyd", ".o", ".a", ".wasm", ".cwasm", ".pyc", ".whl"}
    assert [name(path) for path in tracked() if path.suffix in built] == []


def test_both_wheel_workflows_are_one() -> None:
    assert (ROOT / "wheels.yml").read_bytes() == (ROOT / ".github" / "workflows" / "wheels.yml").read_bytes()


def test_the_version_is_the_same_everywhere() -> None:
    import mcpkit

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert mcpkit.__version__ == project["version"]


def test_every_door_has_a_stub_and_a_declaration() -> None:
    doors = {path.stem for path in (SOURCE / "core").glob("*.pyx")}
    assert doors <= {path.stem for path in (SOURCE / "core").glob("*.pyi")}
    assert doors <= {path.stem for path in (SOURCE / "core").glob("*.pxd")}


@pytest.mark.parametrize("folder", ["tests", "fuzz"])
def test_c_programs_name_the_rooms_they_link(folder: str) -> None:
    for path in sorted((ROOT / "cext" / folder).glob("*.c")):
        assert re.match(r"/\* rooms:[a-z ]*\*/\n", path.read_text("utf-8")), name(path)
