"""What the example tools are made of and how; `examples/build.py` is its command."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolchain.component import componentize
from toolchain.store import build_once, content_key
from toolchain.wit import parse
from toolchain.zig import COMMAND, FREESTANDING, BuildError, compile_c

EXAMPLES = Path(__file__).resolve().parents[1]
BUILD = EXAMPLES / "build"

CORE = EXAMPLES.parent / "cext"
SDK_INCLUDE = CORE / "include"
SDK = (
    *sorted((CORE / "guest").glob("*.c")),
    *(CORE / "rpc" / name for name in ("envelope.c", "methods.c", "lines.c")),
    *(CORE / "json" / name for name in ("scan.c", "text.c", "kernels_portable.c")),
    CORE / "buffer" / "buffer.c",
)
"""The C guest SDK: its own sources, and those of the host's core that it shares."""


@dataclass(frozen=True)
class Tool:
    """One example: the folder of its sources, how it is made, and with which packages."""

    name: str
    make: Callable[[Path, Path], None]
    packages: tuple[str, ...]
    default: bool = True
    shared: tuple[Path, ...] = ()
    """Sources from outside its folder."""

    @property
    def folder(self) -> Path:
        return EXAMPLES / self.name

    @property
    def output(self) -> Path:
        return BUILD / self.name / f"{self.name}.wasm"


def make_command(folder: Path, output: Path) -> None:
    compile_c(sorted(folder.glob("*.c")), output, COMMAND)


def make_server(folder: Path, output: Path) -> None:
    compile_c([*SDK, *sorted(folder.glob("*.c"))], output, COMMAND, include=[SDK_INCLUDE])


def make_component(folder: Path, output: Path) -> None:
    core = output.with_suffix(".core.wasm")
    compile_c(sorted(folder.glob("*.c")), core, FREESTANDING, include=[EXAMPLES / "include"])
    (wit,) = folder.glob("*.wit")
    output.write_bytes(componentize(core.read_bytes(), parse(wit.read_text(encoding="utf-8"))))


def make_python(folder: Path, output: Path) -> None:
    if importlib.util.find_spec("componentize_py") is None:
        raise BuildError("componentize-py is missing; install it with: pip install componentize-py")
    (wit,) = folder.glob("*.wit")
    command = [
        sys.executable,
        "-c",
        "from componentize_py import script; script()",
        "--wit-path",
        str(wit),
        "--world",
        "tool",
    ]
    command += ["componentize", "--python-path", str(folder), "app", "--output", str(output)]
    done = subprocess.run(command, cwd=output.parent, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{done.stdout}{done.stderr}".rstrip())


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("text-stats", make_command, ("ziglang",)),
        Tool("c-server", make_server, ("ziglang",), default=False, shared=SDK),
        Tool("calculator", make_component, ("ziglang", "wasmtime")),
        Tool("primes", make_component, ("ziglang", "wasmtime")),
        Tool("py-tool", make_python, ("componentize-py",), default=False),
    )
}


def build(name: str) -> Path:
    """Build one tool where needed; the file. Raises BuildError, ComponentError or WitError."""
    tool = TOOLS[name]
    sources = sorted(path for path in tool.folder.iterdir() if path.suffix in (".c", ".h", ".wit", ".py"))
    headers = [*(EXAMPLES / "include").glob("*.h"), *((SDK_INCLUDE.rglob("*.h")) if tool.shared else ())]
    key = content_key([*sources, *tool.shared, *sorted(headers)], tool.packages)
    build_once(tool.output, key, lambda output: tool.make(tool.folder, output))
    manifest = tool.folder / "manifest.json"
    if manifest.is_file():
        shutil.copyfile(manifest, tool.output.parent / "manifest.json")
    return tool.output
