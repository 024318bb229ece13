"""The C compiler: zig from PyPI (`pip install ziglang`), which carries clang, a linker and a WASI C library."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Werror"]
COMMAND = ["-target", "wasm32-wasi", "-Os", "-s"]
"""A WASI command with a C library."""
NATIVE = ["-O2", "-D_POSIX_C_SOURCE=200809L", "-lm"]
"""A program for this machine."""
FREESTANDING = ["-target", "wasm32-freestanding", "-Os", "-s", "-nostdlib", "-ffreestanding", "-Wl,--no-entry",
                "-Wl,-z,stack-size=16384"]  # fmt: skip
"""A core module that imports nothing, to be made a component."""


class BuildError(Exception):
    """A tool could not be built; the message holds the compiler's."""


def compile_c(sources: Sequence[Path], output: Path, flags: Sequence[str], include: Sequence[Path] = ()) -> None:
    """Compile and link `sources` into the WebAssembly file `output`. Raises BuildError."""
    if importlib.util.find_spec("ziglang") is None:
        raise BuildError("the C compiler is missing; install it with: pip install ziglang")
    command = [sys.executable, "-m", "ziglang", "cc", *WARNINGS, *flags]
    command += [f"-I{folder}" for folder in include]
    command += [str(source) for source in sources] + ["-o", str(output)]
    environment = dict(os.environ)
    # The C library is compiled on first use; it stays with this tree's build products.
    environment.setdefault("ZIG_GLOBAL_CACHE_DIR", str(ROOT / "build" / "zig"))
    environment.setdefault("ZIG_LOCAL_CACHE_DIR", str(ROOT / "build" / "zig"))
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BuildError(f"{' '.join(command)}\n{done.stdout}{done.stderr}".rstrip())
