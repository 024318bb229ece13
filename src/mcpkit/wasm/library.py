"""Where wasmtime's shared library is, without importing the package that carries it (that import costs tens of ms)."""

import os
import re
import sys
from importlib.machinery import PathFinder
from pathlib import Path
from typing import NamedTuple

from mcpkit.wasm.errors import LibraryError

MAJOR = 50
"""The wasmtime major version whose C structures the core declares (MCK_WASM_MAJOR)."""

_FILE_NAMES = {"linux": "_libwasmtime.so", "darwin": "_libwasmtime.dylib", "win32": "_wasmtime.dll"}
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
_DIST_INFO = re.compile(r"wasmtime-(\d+)((?:\.\d+)*[^-]*)\.dist-info", re.IGNORECASE)


class Library(NamedTuple):
    """A usable wasmtime library."""

    path: Path
    version: str


def find_library(search_path: list[str] | None = None) -> Library:
    """Find the library of the installed `wasmtime` package in `search_path` (default: sys.path).

    Raises LibraryError where the package is missing, has no library for this machine, or is another major version.
    """
    install = f"install it with: pip install 'wasmtime>={MAJOR},<{MAJOR + 1}'"
    spec = PathFinder.find_spec("wasmtime", search_path)
    if spec is None or not spec.submodule_search_locations:
        raise LibraryError(f"the Python package wasmtime is not installed; {install}")
    package = Path(next(iter(spec.submodule_search_locations)))
    version = _installed_version(package)
    if version is None:
        raise LibraryError(f"cannot tell the version of the wasmtime package in {package}; re{install}")
    if int(version.split(".", 1)[0]) != MAJOR:
        raise LibraryError(
            f"wasmtime {version} in {package} is not the tested major version {MAJOR}, and its structures may differ;"
            f" {install}"
        )
    path = package / _platform_folder() / _FILE_NAMES[sys.platform]
    if not path.is_file():
        raise LibraryError(
            f"the wasmtime package in {package} carries no library for this machine ({path.parent.name}/{path.name}"
            " is missing); reinstall it from a wheel for this platform: pip install --force-reinstall --only-binary"
            f" :all: wasmtime=={version}"
        )
    return Library(path, version)


def _platform_folder() -> str:
    name = _machine()
    machine = _MACHINES.get(name.lower())
    if sys.maxsize <= 2**32 or machine is None or sys.platform not in _FILE_NAMES:
        bits = 32 if sys.maxsize <= 2**32 else 64
        raise LibraryError(
            f"wasmtime publishes no library for {sys.platform} on {name} with a {bits}-bit Python:"
            " WebAssembly tools need 64-bit Linux, macOS or Windows on x86_64 or aarch64"
        )
    return f"{sys.platform}-{machine}"


def _machine() -> str:
    if hasattr(os, "uname"):
        return os.uname().machine
    import platform  # costs a millisecond of start-up where it is not needed

    return platform.machine()


def _installed_version(package: Path) -> str | None:
    """From the name of the metadata folder beside the package; one without RECORD is left over from an old install."""
    found: list[tuple[bool, str]] = []
    for entry in package.parent.glob("wasmtime-*.dist-info"):
        match = _DIST_INFO.fullmatch(entry.name)
        if match:
            found.append(((entry / "RECORD").is_file(), match[1] + match[2]))
    return max(found)[1] if found else None
