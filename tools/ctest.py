"""Build and run the C tests and the fuzz targets, outside Python.

    python tools/ctest.py [--sanitize] [NAME...]          cext/tests/test_NAME.c
    python tools/ctest.py --fuzz SECONDS [NAME...]        cext/fuzz/fuzz_NAME.c, with clang's libFuzzer

The first line of each file names the rooms it links: ``/* rooms: json rpc */``. A test passes when it returns 0;
it may return 77, after saying why, where it cannot run, unless MCPKIT_NO_SKIPS=1.
Kernel files get the flags of their instruction set from the table in setup.py.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETUP = runpy.run_path(str(ROOT / "setup.py"))
INCLUDES = ["-Icext/include", "-Icext"]
SKIPPED = 77  # what a test returns when it has said why it cannot run here
MAY_SKIP = os.environ.get("MCPKIT_NO_SKIPS", "") in ("", "0")
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def rooms_of(test: Path) -> list[str]:
    first = test.read_text().partition("\n")[0]
    found = re.fullmatch(r"/\* rooms:([a-z ]*)\*/", first.strip())
    if not found:
        sys.exit(f"{test}:1: the first line must name the rooms to link, like /* rooms: json rpc */")
    return found[1].split()


def objects(sources: list[Path], out: Path, compiler: list[str], flags: list[str]) -> list[str]:
    """Compile what is older than its source or any header."""
    newest = max(p.stat().st_mtime for p in [ROOT / "setup.py", *ROOT.glob("cext/**/*.h")])

    def compile_(source: Path) -> str:
        obj = out / source.relative_to(ROOT / "cext").with_suffix(".o")
        if not obj.exists() or obj.stat().st_mtime < max(newest, source.stat().st_mtime):
            obj.parent.mkdir(parents=True, exist_ok=True)
            isa = SETUP["ISA"].get(source.stem.rpartition("_")[2], {}).get(SETUP["machine"](), [])
            strict = SETUP["STRICT"]
            command = [*compiler, *flags, *strict, *isa, *INCLUDES, "-c", str(source.relative_to(ROOT)), "-o", str(obj)]
            subprocess.run(command, cwd=ROOT, check=True)
        return str(obj)

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(compile_, sources))


def program(test: Path, out: Path, compiler: list[str], flags: list[str]) -> Path | None:
    """Compile and link one test; None when the compiler refused (it has said why)."""
    sources = [test, *(c for room in rooms_of(test) for c in sorted((ROOT / "cext" / room).glob("*.c")))]
    linked = out / test.stem
    libraries = ["-ldl", "-lpthread", "-lm"] if sys.platform == "linux" else []
    try:
        command = [*compiler, *flags, *objects(sources, out, compiler, flags), "-o", str(linked), *libraries]
        subprocess.run(command, cwd=ROOT, check=True)
    except subprocess.CalledProcessError:
        return None
    return linked


@cache
def environment() -> dict[str, str]:
    """What test programs are started with: MCPKIT_WASMTIME names the library of the installed wasmtime package."""
    variables = dict(os.environ)
    package = importlib.util.find_spec("wasmtime")
    for folder in package.submodule_search_locations or [] if package else []:
        for library in Path(folder).glob("*/_*wasmtime.*"):
            variables.setdefault("MCPKIT_WASMTIME", str(library))
    return variables


def passes(test: Path, linked: Path | None, arguments: list[str], kind: str) -> bool:
    code = None
    if linked:
        log = subprocess.PIPE if arguments else None  # a fuzzer talks a lot: heard when it found something
        done = subprocess.run([linked, *arguments], cwd=ROOT, check=False, env=environment(), stderr=log)
        code = done.returncode
        if code and done.stderr:
            sys.stderr.buffer.write(done.stderr)
    outcome = {None: "does not build", 0: "ok", SKIPPED: "skipped"}.get(code, f"FAILED with {code}")
    print(f"{outcome}: {test.relative_to(ROOT)} ({kind})", flush=True)
    return code == 0 or (code == SKIPPED and MAY_SKIP)


def sanitizers_work(compiler: list[str], out: Path) -> bool:
    out.mkdir(parents=True, exist_ok=True)
    command = [*compiler, "-fsanitize=address,undefined", "-x", "c", "-", "-o", str(out / "probe")]
    probe = subprocess.run(command, input=b"int main(void){return 0;}", check=False, stderr=subprocess.DEVNULL)
    return probe.returncode == 0


def chosen(folder: str, names: list[str]) -> list[Path]:
    prefix = {"tests": "test_", "fuzz": "fuzz_"}[folder]
    if names:
        return [ROOT / "cext" / folder / f"{prefix}{name}.c" for name in names]
    return sorted((ROOT / "cext" / folder).glob(f"{prefix}*.c"))


def run_tests(names: list[str], sanitize: bool) -> bool:
    compiler = shlex.split(os.environ.get("CC", "cc"))
    flags, kind, out = ["-std=c11", "-O2", "-g"], "plain", ROOT / "build" / "ctest"
    if sanitize:
        flags = ["-std=c11", "-O1", "-g", "-fno-omit-frame-pointer", *SANITIZE]
        kind, out = "with ASan and UBSan", ROOT / "build" / "ctest-sanitize"
        if not sanitizers_work(compiler, out):
            print("skipped: the sanitizers' libraries (libasan, libubsan) do not come with this compiler")
            return MAY_SKIP
    results = [passes(test, program(test, out, compiler, flags), [], kind) for test in chosen("tests", names)]
    return all(results)


def run_fuzzers(names: list[str], seconds: int) -> bool:
    clang = os.environ.get("CLANG") or next(filter(None, map(shutil.which, ["clang", "clang-19", "clang-14"])), None)
    if clang is None:
        sys.exit("fuzzing needs clang with libFuzzer: apt-get install -y clang libclang-rt-dev")
    out, results = ROOT / "build" / "fuzz", []
    for target in chosen("fuzz", names):
        corpus = out / "corpus" / target.stem
        corpus.mkdir(parents=True, exist_ok=True)
        seeds = ROOT / "cext" / "fuzz" / "seeds" / target.stem.removeprefix("fuzz_")
        arguments = [f"-max_total_time={seconds}", "-verbosity=0", f"-artifact_prefix={out}/", str(corpus)]
        arguments += [str(seeds)] if seeds.is_dir() else []
        flags = ["-std=c11", "-O1", "-g", "-fsanitize=fuzzer", *SANITIZE]
        results.append(passes(target, program(target, out, [clang], flags), arguments, f"fuzzed for {seconds} s"))
    return all(results)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--sanitize", action="store_true", help="with ASan and UBSan")
    parser.add_argument("--fuzz", type=int, metavar="SECONDS", help="fuzz each target that long instead")
    options = parser.parse_args()
    os.chdir(ROOT)
    passed = run_fuzzers(options.names, options.fuzz) if options.fuzz else run_tests(options.names, options.sanitize)
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
