"""The guests that tests run: built from tests/guests/ and examples/ on first use, then kept under build/guests/.

    module = guests.build("echo")

Commands (preview 1): echo (stdin to stdout), multi (how it was called), environ (its variables), chance (clocks and
random bytes), files (reads, writes, lists), exit_status (7), not_json, tool_error, flood (10 MB), chatter (stderr),
chatty (stderr, in two goes), spin, sleep, grow (until it traps), grow_politely, fill, copy, unreachable.
Commands (preview 2): echo_p2, sleep_p2, opens_p2 (could open files).
Plain component: types (an echo function for every kind of type; `greet`).
The example tools by name: calculator, primes, text-stats, and py-tool, which takes some seconds the first time.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "tests" / "guests"
BUILD = ROOT / "build" / "guests"
sys.path.append(str(ROOT / "examples"))  # the guests are made with the examples' tool chain

from toolchain import component, tools, wit  # noqa: E402
from toolchain.store import build_once, content_key  # noqa: E402
from toolchain.zig import COMMAND, FREESTANDING, NATIVE, BuildError, compile_c  # noqa: E402

__all__ = [
    "COMMAND",
    "FREESTANDING",
    "BuildError",
    "build",
    "compile_c",
    "component",
    "native_server",
    "source",
    "tools",
    "wit",
]

INCLUDE = ROOT / "examples" / "include"


def build(name: str) -> Path:
    """The guest's file, built where needed. Several processes may ask at once."""
    if name in tools.TOOLS:
        return tools.build(name)
    sources = sorted(SOURCES.glob(f"{name}.*"))
    if not sources:
        raise LookupError(f"no guest is called {name!r} in {SOURCES}")
    output = BUILD / f"{name}.wasm"
    key = content_key([Path(__file__), *sources, *sorted(INCLUDE.glob("*.h"))], ("ziglang", "wasmtime"))
    build_once(output, key, lambda path: _make(name, path))
    return output


def native_server(name: str) -> Path:
    """A server written with the C guest SDK as a program of this machine."""
    sources = [*tools.SDK, *sorted(tools.TOOLS[name].folder.glob("*.c"))]
    output = BUILD / f"{name}-native"
    key = content_key([*sources, *sorted(tools.SDK_INCLUDE.rglob("*.h"))], ("ziglang",))
    build_once(output, key, lambda path: compile_c(sources, path, NATIVE, include=[tools.SDK_INCLUDE]))
    return output


def source(name: str) -> str:
    """The source of a guest that is written in the text format."""
    return (SOURCES / f"{name}.wat").read_text(encoding="utf-8")


def _make(name: str, output: Path) -> None:
    wat, text, c = (SOURCES / f"{name}.{kind}" for kind in ("wat", "wit", "c"))
    if wat.is_file():
        import wasmtime

        output.write_bytes(wasmtime.wat2wasm(wat.read_text(encoding="utf-8")))
    elif text.is_file():
        core = output.with_suffix(".core.wasm")
        compile_c([c], core, FREESTANDING, include=[INCLUDE])
        output.write_bytes(component.componentize(core.read_bytes(), wit.parse(text.read_text(encoding="utf-8"))))
    else:
        compile_c([c], output, COMMAND)
