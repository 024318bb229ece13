"""A client's file on disk: read strictly, backed up, replaced in one step."""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import tempfile
import time
from pathlib import Path

from mcpkit.cli.install.errors import InstallError

MAX_BYTES = 64 << 20
BOM = b"\xef\xbb\xbf"


class File:
    """A file as it was found. `text` is empty where it was not there."""

    def __init__(self, path: Path) -> None:
        """Raises InstallError where it cannot be read or is not UTF-8."""
        self.path = path
        self._real = Path(os.path.realpath(path))  # behind a symbolic link, which stays one
        self._bytes = self._read()
        self._bom = BOM if self._bytes is not None and self._bytes.startswith(BOM) else b""
        try:
            self.text = (self._bytes or b"")[len(self._bom) :].decode()
        except UnicodeDecodeError as error:
            where = error.start + len(self._bom)
            raise InstallError(f"{path}: not UTF-8: byte {where} is {error.object[error.start]:#04x}") from None

    @property
    def exists(self) -> bool:
        return self._bytes is not None

    def _read(self) -> bytes | None:
        try:
            if self._real.stat().st_size > MAX_BYTES:
                raise InstallError(f"{self.path}: larger than {MAX_BYTES >> 20} MiB, which no configuration is")
            return self._real.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise InstallError(f"{self.path}: {error.strerror or error}") from None

    def diff(self, text: str) -> str:
        """What `text` would change, as a unified diff."""
        before = str(self.path) if self.exists else os.devnull
        lines = difflib.unified_diff(self.text.splitlines(True), text.splitlines(True), before, str(self.path))
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

    def replace(self, text: str) -> Path | None:
        """Put `text` into the file; gives the backup of what was there. Raises InstallError, the file as before."""
        data = self._bom + text.encode()
        try:
            self._real.parent.mkdir(parents=True, exist_ok=True)
            backup = self._back_up()
            self._write(data)
        except OSError as error:
            raise InstallError(f"{self.path}: {error.strerror or error}; nothing was changed") from None
        return backup

    def _back_up(self) -> Path | None:
        if not self.exists:
            return None
        stamp = time.strftime("%Y%m%dT%H%M%S")
        for number in range(1, 1000):
            suffix = stamp if number == 1 else f"{stamp}-{number}"
            backup = self._real.with_name(f"{self._real.name}.{suffix}.bak")
            try:
                # Created exclusively, so that no earlier backup is lost, and with the file's own permissions.
                descriptor = os.open(backup, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
            with os.fdopen(descriptor, "wb") as file:
                file.write(self._bytes or b"")
            shutil.copystat(self._real, backup)
            return backup
        raise InstallError(f"{self.path}: too many backups beside it; remove some of the .bak files")

    def _write(self, data: bytes) -> None:
        descriptor, name = tempfile.mkstemp(dir=self._real.parent, prefix=f".{self._real.name}.", suffix=".new")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if self.exists:
                shutil.copymode(self._real, name)
            else:
                Path(name).chmod(0o666 & ~_umask())
            if self._read() != self._bytes:
                raise InstallError(f"{self.path}: another program changed it in the meantime; try again")
            Path(name).replace(self._real)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
