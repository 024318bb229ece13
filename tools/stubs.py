"""Compare every stub in src/mcpkit/core with the extension module that it describes."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

CORE = Path(__file__).resolve().parent.parent / "src" / "mcpkit" / "core"
# Names that Cython puts into modules and extension types, and that are nobody's business.
GENERATED = [r".*\.__test__", r".*\.__pyx_.*", r".*\.__reduce_cython__", r".*\.__setstate_cython__"]


def main() -> int:
    stubs = sorted(stub.stem for stub in CORE.glob("*.pyi"))
    without = sorted({door.stem for door in CORE.glob("*.pyx")} - set(stubs))
    if without:
        print(f"no stub for {', '.join(without)}: write src/mcpkit/core/NAME.pyi", file=sys.stderr)
        return 1
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as allowed:
        allowed.write("\n".join(GENERATED))
        allowed.flush()
        command = [
            sys.executable,
            "-m",
            "mypy.stubtest",
            "--concise",
            "--allowlist",
            allowed.name,
            "--ignore-unused-allowlist",
        ]
        return subprocess.run([*command, *(f"mcpkit.core.{stub}" for stub in stubs)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
