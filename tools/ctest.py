"""Build and run the C tests and the fuzz targets, outside Python.

    python tools/ctest.py [--sanitize] [NAME...]          cext/tests/test_NAME.c
    python tools/ctest.py --fuzz SECONDS [NAME...]        cext/fuzz/fuzz_NAME.c, with clang's libFuzzer

The first line of each file names the rooms it links: ``/* rooms: json rpc */``. A test passes when it returns 0.
Kernel files get the flags of their instruction set from the table in setup.py.
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SETUP = runpy.run_path(str(ROOT / "setup.py"))
INCLUDES = ["-Icext/include", "-Icext"]


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


def program(test: Path, out: Path, compiler: list[str], flags: list[str]) -> Path:
    sources = [test, *(c for room in rooms_of(test) for c in sorted((ROOT / "cext" / room).glob("*.c")))]
    linked = out / test.stem
    libraries = ["-ldl", "-lpthread", "-lm"] if sys.platform == "linux" else []
    command = [*compiler, *flags, *objects(sources, out, compiler, flags), "-o", str(linked), *libraries]
    subprocess.run(command, cwd=ROOT, check=True)
    return linked


def chosen(folder: str, names: list[str]) -> list[Path]:
    prefix = {"tests": "test_", "fuzz": "fuzz_"}[folder]
    if names:
        return [ROOT / "cext" / folder / f"{prefix}{name}.c" for name in names]
    return sorted((ROOT / "cext" / folder).glob(f"{prefix}*.c"))


def run_tests(names: list[str], sanitize: bool) -> int:
    compiler = shlex.split(os.environ.get("CC", "cc"))
    flags, kind = ["-std=c11", "-O2", "-g"], "plain"
    if sanitize:
        flags += ["-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
        kind = "address and undefined behaviour sanitizers"
    out = ROOT / "build" / ("ctest-sanitize" if sanitize else "ctest")
    failed = 0
    for test in chosen("tests", names):
        code = subprocess.run([program(test, out, compiler, flags)], cwd=ROOT, check=False).returncode
        print(f"{'ok  ' if code == 0 else 'FAIL'} {test.relative_to(ROOT)} ({kind})", flush=True)
        failed += code != 0
    return failed


def run_fuzzers(names: list[str], seconds: int) -> int:
    clang = os.environ.get("CLANG") or next(filter(None, map(shutil.which, ["clang", "clang-19", "clang-14"])), None)
    if clang is None:
        sys.exit("fuzzing needs clang with libFuzzer: apt-get install -y clang")
    flags = ["-std=c11", "-O1", "-g", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all"]
    out, failed = ROOT / "build" / "fuzz", 0
    for target in chosen("fuzz", names):
        fuzzer = program(target, out, [clang], flags)
        corpus = out / "corpus" / target.stem
        corpus.mkdir(parents=True, exist_ok=True)
        seeds = [str(p) for p in [ROOT / "cext" / "fuzz" / "seeds" / target.stem.removeprefix("fuzz_")] if p.is_dir()]
        limits = [f"-max_total_time={seconds}", "-print_final_stats=0", f"-artifact_prefix={out}/", "-verbosity=0"]
        code = subprocess.run([fuzzer, *limits, str(corpus), *seeds], cwd=ROOT, check=False).returncode
        print(f"{'ok  ' if code == 0 else 'FAIL'} {target.relative_to(ROOT)} ({seconds} s)", flush=True)
        failed += code != 0
    return failed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--sanitize", action="store_true", help="with ASan and UBSan")
    parser.add_argument("--fuzz", type=int, metavar="SECONDS", help="fuzz each target that long instead")
    options = parser.parse_args()
    os.chdir(ROOT)
    failed = run_fuzzers(options.names, options.fuzz) if options.fuzz else run_tests(options.names, options.sanitize)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
