"""Build the example tools into examples/build/. What has not changed is not built again.

python examples/build.py            # the tools that examples/config.yaml serves
python examples/build.py --all      # and the one in Python, which takes half a minute
python examples/build.py primes     # one by name
"""

import argparse
import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from toolchain.component import ComponentError, componentize
from toolchain.store import build_once, content_key
from toolchain.wit import WitError, parse
from toolchain.zig import COMMAND, FREESTANDING, BuildError, compile_c

EXAMPLES = Path(__file__).resolve().parent
BUILD = EXAMPLES / "build"


@dataclass(frozen=True)
class Tool:
    """One example: the folder of its sources, how it is made, and with which packages."""

    name: str
    make: Callable[[Path, Path], None]
    packages: tuple[str, ...]
    default: bool = True

    @property
    def folder(self) -> Path:
        return EXAMPLES / self.name

    @property
    def output(self) -> Path:
        return BUILD / self.name / f"{self.name}.wasm"


def make_command(folder: Path, output: Path) -> None:
    compile_c(sorted(folder.glob("*.c")), output, COMMAND)


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
        Tool("calculator", make_component, ("ziglang", "wasmtime")),
        Tool("primes", make_component, ("ziglang", "wasmtime")),
        Tool("py-tool", make_python, ("componentize-py",), default=False),
    )
}


def build(name: str) -> Path:
    """Build one tool where needed; the file. Raises BuildError, ComponentError or WitError."""
    tool = TOOLS[name]
    sources = sorted(path for path in tool.folder.iterdir() if path.suffix in (".c", ".h", ".wit", ".py"))
    key = content_key([Path(__file__), *sources, *sorted((EXAMPLES / "include").glob("*.h"))], tool.packages)
    build_once(tool.output, key, lambda output: tool.make(tool.folder, output))
    manifest = tool.folder / "manifest.json"
    if manifest.is_file():
        shutil.copyfile(manifest, tool.output.parent / "manifest.json")
    return tool.output


def main() -> int:
    parser = argparse.ArgumentParser(description="Build the example tools into examples/build/.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which ones ({', '.join(TOOLS)}); default: the fast ones"
    )
    parser.add_argument("--all", action="store_true", help="every example")
    arguments = parser.parse_args()
    unknown = sorted(set(arguments.names) - set(TOOLS))
    if unknown:
        parser.error(f"no example is called {', '.join(unknown)}; there are {', '.join(TOOLS)}")
    names = arguments.names or [tool.name for tool in TOOLS.values() if tool.default or arguments.all]
    for name in names:
        print(f"{name:<12}", end=" ", flush=True)
        start = time.monotonic()
        try:
            path = build(name)
        except (BuildError, ComponentError, WitError) as error:
            print("failed")
            print(f"examples/{name}: {error}", file=sys.stderr)
            return 1
        print(
            f"{path.stat().st_size:>11,} bytes  {time.monotonic() - start:5.1f} s  {path.relative_to(EXAMPLES.parent)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
