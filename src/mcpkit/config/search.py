"""Where configurations are looked for when none is named."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = ("mcpkit.yaml", "mcpkit.yml", "mcpkit.json")
NAME = Path("mcpkit", "config.yaml")


def places(environ: Mapping[str, str], folder: Path | None = None) -> list[Path]:
    """Every place, the first to be looked at first: the current folder, the user's, the machine's."""
    found = [(folder / name if folder is not None else Path(name)) for name in HERE]
    user, machine = Path(environ.get("XDG_CONFIG_HOME", "")), Path("/etc")
    home = Path(environ["HOME"]) if environ.get("HOME") else None
    if user.is_absolute():  # the XDG specification says that a relative one is to be ignored
        found.append(user / NAME)
    elif home is not None and sys.platform != "win32":
        found.append(home / ".config" / NAME)
    if sys.platform == "darwin" and home is not None:
        found.append(home / "Library" / "Application Support" / NAME)
    if sys.platform == "win32":
        if environ.get("APPDATA"):
            found.append(Path(environ["APPDATA"], NAME))
        machine = Path(environ.get("PROGRAMDATA") or r"C:\ProgramData")
    return [*found, machine / NAME]


def find(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> Path | None:
    """The first file that there is."""
    return next((path for path in places(os.environ if environ is None else environ, folder) if path.is_file()), None)
