"""Unpacks WasmEdge, and a Python that can load it, from Debian 13 into build/wasmedge: `tools/wasmedge_root.py`.

Nothing is installed and nobody need be root: apt fetches into a folder of its own, from the mirror that this machine
uses. Prints, as lines of a shell, the variables with which mcpkit finds the library.
"""

from __future__ import annotations

import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parents[1] / "build" / "wasmedge"
SUITE = "trixie"
PACKAGES = ("libwasmedge0", "python3.13-minimal", "libpython3.13-stdlib")
KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
ATTEMPTS = 3
LOADERS = {
    "x86_64": ("x86_64-linux-gnu", "lib64/ld-linux-x86-64.so.2"),
    "aarch64": ("aarch64-linux-gnu", "lib/ld-linux-aarch64.so.1"),
}


def mirror() -> str:
    """The first that apt is told of."""
    for path in (Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.[ls]*"))):
        if path.suffix in {".list", ".sources"} and path.is_file():
            found = re.search(r"^(?:deb (?:\[.*?\] )?|URIs: *)(https?://\S+)", path.read_text(), re.MULTILINE)
            if found:
                return found[1]
    raise SystemExit("wasmedge_root: apt is told of no mirror")


def fetch(folder: Path) -> list[Path]:
    """The packages and all that they need, as files."""
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "status").touch()
    sources = folder / "sources.list"
    sources.write_text(f"deb [signed-by={KEYS}] {mirror()} {SUITE} main\n")
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State": folder,
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
        "APT::Install-Recommends": "false",
        "Acquire::Retries": ATTEMPTS,
    }
    apt = ["apt-get", "-qq", *(word for key, value in settings.items() for word in ("-o", f"{key}={value}"))]
    subprocess.run([*apt, "update"], check=True, stdout=sys.stderr)
    subprocess.run([*apt, "install", "-y", "--download-only", *PACKAGES], check=True, stdout=sys.stderr)
    return sorted((folder / "cache" / "archives").glob("*.deb"))


def make() -> Path:
    """The unpacked root; made once."""
    root = HERE / "root"
    if root.is_dir():
        return root
    parts = HERE / "parts"
    for attempt in range(1, ATTEMPTS + 1):
        shutil.rmtree(HERE, ignore_errors=True)
        try:
            for package in fetch(parts):
                subprocess.run(["dpkg-deb", "-x", package, parts / "root"], check=True)
            break
        except subprocess.CalledProcessError as error:
            if attempt == ATTEMPTS:
                raise SystemExit(f"wasmedge_root: {error}") from None
            time.sleep(5 * attempt)
    (parts / "root").rename(root)
    shutil.rmtree(parts)
    return root


def variables(root: Path) -> dict[str, str]:
    """What mcpkit reads; see docs/engines.md."""
    triple, loader = LOADERS[platform.machine()]
    libraries = root / "usr" / "lib" / triple
    python = (root / "usr" / loader, "--library-path", libraries, root / "usr" / "bin" / "python3.13")
    return {
        "MCPKIT_WASMEDGE": str(libraries / "libwasmedge.so.0"),
        "MCPKIT_WASMEDGE_PYTHON": shlex.join(map(str, python)),
    }


if __name__ == "__main__":
    for name, value in variables(make()).items():
        print(f"export {name}={shlex.quote(value)}")
