"""Build the C core: one extension per room, each kernel file with the flags of its own instruction set.

Everything else about the package is in pyproject.toml. Environment:

MCPKIT_ROOMS=json,rpc         build only these rooms
MCPKIT_CFLAGS="-O1 -g"        more compiler flags, after our own
MCPKIT_SANITIZE=address,undefined
MCPKIT_COVERAGE=1             gcov counters
MCPKIT_TRACE=1                Cython line tracing
MCPKIT_ABI3=1                 one wheel for Python 3.11 and every later one (slower per call)
"""

from __future__ import annotations

import os
import platform
import shlex
import sys
import sysconfig
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# A door in src/mcpkit/core and the rooms of cext that are linked into it.
ROOMS = {
    "cpu": ["cpu"],
    "json": ["json", "cpu"],
    "rpc": ["rpc", "json", "cpu"],
    "digest": ["digest", "cpu"],
    "meter": ["meter"],
    "wasm": ["wasm", "meter", "json", "buffer", "cpu"],
    "serve": ["serve", "wasm", "meter", "rpc", "json", "digest", "buffer", "cpu"],
}
LIBRARIES = {"wasm": ["dl", "pthread"], "serve": ["dl", "pthread"]}

# Flags that only the files of one instruction set may use: {file suffix: {machine: flags}}.
ISA = {
    "avx2": {"x86_64": ["-mavx2", "-mbmi", "-mbmi2", "-mfma", "-mf16c"]},
    "avx512": {"x86_64": ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mfma", "-mf16c"]},
    "avx512vnni": {"x86_64": ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mavx512vnni", "-mfma"]},
    "shani": {"x86_64": ["-msha", "-msse4.1", "-mssse3"]},
    "neon": {"aarch64": [], "arm": ["-march=armv7-a", "-mfpu=neon", "-marm"]},
    "dotprod": {"aarch64": ["-march=armv8.2-a+dotprod"]},
    "armv8": {"aarch64": ["-march=armv8-a+crypto"]},
    "simd128": {"wasm32": ["-msimd128"]},
}
ISA_ZIG = {"neon": {"arm": ["-mcpu=cortex_a7"]}, "dotprod": {"aarch64": ["-mcpu=generic+dotprod"]},
           "armv8": {"aarch64": ["-mcpu=generic+sha2"]}}  # fmt: skip
if "zig" in os.environ.get("CC", ""):
    for suffix, flags in ISA_ZIG.items():
        ISA[suffix].update(flags)

STRICT = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wstrict-prototypes", "-Wmissing-prototypes"]
STRICT += ["-Wundef", "-Wvla"]
MSVC = sys.platform == "win32"
SANITIZE = os.environ.get("MCPKIT_SANITIZE", "")
COVERAGE = bool(os.environ.get("MCPKIT_COVERAGE"))
TRACE = bool(os.environ.get("MCPKIT_TRACE"))
ABI3 = bool(os.environ.get("MCPKIT_ABI3")) and not sysconfig.get_config_var("Py_GIL_DISABLED")
# The stable ABI has functions in the place of the macros that the doors use.
LIMITED: list[tuple[str, str | None]] = [
    ("Py_LIMITED_API", "0x030B0000"),
    ("PyBytes_AS_STRING", "PyBytes_AsString"),
    ("PyBytes_GET_SIZE", "PyBytes_Size"),
]


def machine() -> str:
    name = sysconfig.get_platform().rpartition("-")[2]
    name = platform.machine() if name == "universal2" else name  # each wheel is built for one machine
    return {"amd64": "x86_64", "arm64": "aarch64", "armv7l": "arm", "armv6l": "arm"}.get(name, name)


def flags() -> tuple[list[str], list[str]]:
    """Compiler and linker flags for every file."""
    if MSVC:
        return ["/O2", "/std:c11"], []
    compile_, link = ["-std=c11", "-O3", "-g0", "-fvisibility=hidden", "-Wall", "-Wextra"], []
    if SANITIZE or COVERAGE:
        compile_ += ["-O1", "-g", "-fno-omit-frame-pointer"]
    else:
        compile_ += ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2", "-fstack-protector-strong"]
        if sys.platform == "linux":
            link += ["-Wl,-z,relro,-z,now"]
            compile_ += {"x86_64": ["-fstack-clash-protection", "-fcf-protection=full"]}.get(machine(), [])
    if SANITIZE:  # CPython's own -fwrapv would hide signed overflow
        compile_ += [f"-fsanitize={SANITIZE}", "-fno-sanitize-recover=all", "-fno-wrapv"]
        link += [f"-fsanitize={SANITIZE}"]
    if COVERAGE:
        compile_, link = [*compile_, "--coverage", "-O0"], [*link, "--coverage"]
    return compile_ + shlex.split(os.environ.get("MCPKIT_CFLAGS", "")), link


def extension(room: str) -> Extension:
    rooms = ROOMS[room]
    macros: list[tuple[str, str | None]] = [("CYTHON_TRACE_NOGIL", "1"), ("CYTHON_USE_SYS_MONITORING", "0")] * TRACE
    return Extension(
        f"mcpkit.core.{room}",
        sources=[f"src/mcpkit/core/{room}.pyx", *sorted(str(c) for r in rooms for c in Path("cext", r).glob("*.c"))],
        depends=["setup.py", *map(str, headers()), *map(str, Path("src/mcpkit/core").glob("*.pxd"))],
        include_dirs=["cext/include", "cext", *(f"cext/{r}" for r in rooms)],
        define_macros=macros + (LIMITED if ABI3 else []),
        libraries=LIBRARIES.get(room, []) if sys.platform == "linux" else [],
        extra_compile_args=flags()[0],
        extra_link_args=flags()[1],
        py_limited_api=ABI3,
    )


def headers() -> list[Path]:
    return sorted(Path("cext").rglob("*.h"))


class BuildExt(build_ext):
    """build_ext that translates the doors and compiles each C file with its own flags, once for all extensions."""

    def finalize_options(self) -> None:
        from Cython.Build import cythonize

        self.set_undefined_options("build", ("build_temp", "build_temp"))
        self.build_temp += f"-{zlib.crc32(repr((flags(), TRACE, ABI3, os.environ.get('CC'))).encode()):08x}"
        self.distribution.ext_modules[:] = cythonize(
            self.distribution.ext_modules,
            build_dir=str(Path(self.build_temp, "cython")),
            include_path=["src"],
            compiler_directives={
                "language_level": 3, "auto_pickle": False, "freethreading_compatible": True, "linetrace": TRACE,
            },
        )  # fmt: skip
        super().finalize_options()

    def build_extension(self, ext: Extension) -> None:
        compile_ = self.compiler.compile
        newest = max(p.stat().st_mtime for p in [Path("setup.py"), *headers()])

        def one(source: str, args: list[str], keywords: dict[str, object]) -> str:
            if not source.startswith("cext"):
                return compile_([source], extra_postargs=args, **keywords)[0]
            obj = Path(self.compiler.object_filenames([source], output_dir=self.build_temp)[0])
            if not obj.exists() or obj.stat().st_mtime < max(newest, Path(source).stat().st_mtime):
                own = [] if MSVC else [*STRICT, *ISA.get(Path(source).stem.rpartition("_")[2], {}).get(machine(), [])]
                compile_([source], extra_postargs=args + own, **keywords)
            return str(obj)

        def each(sources: list[str], extra_postargs: list[str] | None = None, **keywords: object) -> list[str]:
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                return list(pool.map(lambda s: one(s, list(extra_postargs or []), keywords), sources))

        self.compiler.compile = each
        try:
            super().build_extension(ext)
        finally:
            self.compiler.compile = compile_


if __name__ == "__main__":  # tools/ctest.py reads the tables above
    only = os.environ.get("MCPKIT_ROOMS", "").replace(",", " ").split() or list(ROOMS)
    setup(
        cmdclass={"build_ext": BuildExt},
        ext_modules=[extension(room) for room in only if Path("src/mcpkit/core", f"{room}.pyx").exists()],
        options={"bdist_wheel": {"py_limited_api": "cp311"}} if ABI3 else {},
    )
