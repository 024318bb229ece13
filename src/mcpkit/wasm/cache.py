"""The cache of compiled code: one private folder of files that verify themselves.

A file is what the engine serialised, followed by a trailer: magic, length and a SHA-256 over key, length and code. The
key is a digest of the module's own SHA-256, the engine's fingerprint (library version, flags, processor features) and
this format's version, and names the file. So a damaged, truncated or stale file, or one filed under another's name, is
found before the engine maps it: the engine loads flipped bytes without a word, and compiled code is native code.

Files appear by rename and are never changed afterwards: a process killed while writing leaves at most a temporary file,
and two processes that compile the same module replace equals by equals. The modification time is the time of last use.
"""

import contextlib
import logging
import mmap
import os
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from mcpkit.core.digest import Sha256
from mcpkit.wasm.errors import CacheFolderError

log = logging.getLogger(__name__)

FORMAT = b"mcpkit compiled code 1\0"
DEFAULT_MAX_BYTES = 2 * 1024**3

_MAGIC = b"MCKCODE1"
_TRAILER = struct.Struct("<8sQ32s")  # magic, length of the code, digest
_SUFFIX = ".cwasm"
_TEMPORARY = ".part"
_TEMPORARY_LIFE_S = 3600.0
_OWN_ACCOUNT = hasattr(os, "getuid")  # elsewhere the user's profile folder is private by its access list
_OPEN_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


class CacheStats(NamedTuple):
    """What is in the folder."""

    folder: Path
    entries: int
    bytes: int
    max_bytes: int


def default_cache_dir() -> Path:
    """$MCPKIT_CACHE_DIR, else $XDG_CACHE_HOME/mcpkit/compiled, else ~/.cache/mcpkit/compiled."""
    if own := os.environ.get("MCPKIT_CACHE_DIR"):
        return Path(own)
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification says that a relative path is to be ignored.
    root = base if base.is_absolute() else Path.home() / ".cache"
    return root / "mcpkit" / "compiled"


def cache_key(module_digest: bytes, fingerprint: bytes) -> str:
    """The name under which the code of a module (its SHA-256), compiled by this engine, is kept."""
    hasher = Sha256()
    hasher.update(FORMAT)
    hasher.update(module_digest)
    hasher.update(fingerprint)
    return hasher.hexdigest()


class CodeCache:
    """A folder of compiled code, private to the user and safe for several processes at once."""

    def __init__(self, folder: Path | None = None, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        """Keep at most about `max_bytes` in `folder` (default: default_cache_dir()), which is made on first need."""
        self.folder = (folder or default_cache_dir()).absolute()
        self.max_bytes = max_bytes

    def find(self, key: str) -> Path | None:
        """The verified file for `key`, or None where there is none. A damaged file is removed and counts as none.

        Raises CacheFolderError where the folder is not private to this user.
        """
        if not self._check_folder():
            return None
        path = self.folder / (key + _SUFFIX)
        try:
            fd = os.open(path, _OPEN_FLAGS)
        except FileNotFoundError:
            return None
        except OSError as error:
            # O_NOFOLLOW on a symbolic link, a folder in its place, or no permission.
            log.warning("compiled code %s cannot be used (%s); compiling again", path, error.strerror)
            return None
        try:
            damage = _damage(fd, key)
        finally:
            os.close(fd)
        if damage is not None:
            log.warning("compiled code %s is %s; compiling again", path, damage)
            self._remove(path)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return path

    def store(self, key: str, code: bytes) -> Path | None:
        """Keep `code` under `key`; the file's path, or None where it cannot be written or is larger than the cache.

        Raises CacheFolderError where the folder cannot be made or is not private to this user.
        """
        size = len(code) + _TRAILER.size
        if size > self.max_bytes:
            log.warning("compiled code of %d bytes exceeds the cache's %d bytes; not kept", size, self.max_bytes)
            return None
        self._make_folder()
        path = self.folder / (key + _SUFFIX)
        temporary = self.folder / f"{key[:16]}-{os.getpid()}-{os.urandom(8).hex()}{_TEMPORARY}"
        try:
            self._write(temporary, code, _TRAILER.pack(_MAGIC, len(code), _checksum(key, code)))
            temporary.replace(path)
            self._sync_folder()
        except OSError as error:
            self._remove(temporary)
            log.warning("compiled code not kept in %s: %s", self.folder, error.strerror or error)
            return None
        self._evict(keep=path)
        return path

    def stats(self) -> CacheStats:
        """Count what is in the folder now."""
        sizes = [info.st_size for _, info in self._files(_SUFFIX)]
        return CacheStats(self.folder, len(sizes), sum(sizes), self.max_bytes)

    def clear(self) -> int:
        """Remove everything that this cache wrote; how many programs that were. Those in use stay usable."""
        entries = self._files(_SUFFIX)
        for path, _ in entries + self._files(_TEMPORARY):
            self._remove(path)
        return len(entries)

    def _make_folder(self) -> None:
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise CacheFolderError(
                f"cannot make the cache folder {self.folder}: {error.strerror}; set MCPKIT_CACHE_DIR to a folder"
                " that you can write"
            ) from error
        self._check_folder()

    def _check_folder(self) -> bool:
        """Whether the folder is there; raises where it is and must not be used."""
        try:
            info = self.folder.lstat()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise CacheFolderError(f"cannot look at the cache folder {self.folder}: {error.strerror}") from error
        if not stat.S_ISDIR(info.st_mode):
            raise CacheFolderError(
                f"{self.folder} is not a folder (nor may it be a symbolic link); set MCPKIT_CACHE_DIR to a folder"
            )
        if not _OWN_ACCOUNT:
            return True
        if info.st_uid != os.getuid():
            raise CacheFolderError(
                f"the cache folder {self.folder} belongs to user {info.st_uid}, not to you ({os.getuid()}), and holds"
                " native code: set MCPKIT_CACHE_DIR to a folder of your own"
            )
        if info.st_mode & 0o022:
            raise CacheFolderError(
                f"others can write to the cache folder {self.folder} (mode {stat.S_IMODE(info.st_mode):04o}), which"
                f" holds native code: chmod 700 {self.folder}"
            )
        return True

    @staticmethod
    def _write(path: Path, code: bytes, trailer: bytes) -> None:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(fd, "wb", buffering=0) as file:
            for part in (code, trailer):
                view = memoryview(part)
                while view:
                    view = view[file.write(view) :]
            os.fsync(fd)

    def _sync_folder(self) -> None:
        if os.name != "posix":
            return
        fd = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _files(self, suffix: str) -> list[tuple[Path, os.stat_result]]:
        return list(_scan(self.folder, suffix))

    def _evict(self, keep: Path) -> None:
        """Drop the least recently used until the rest fits, and what killed processes left behind."""
        old = time.time() - _TEMPORARY_LIFE_S
        for path, info in self._files(_TEMPORARY):
            if info.st_mtime < old:
                self._remove(path)
        entries = sorted(self._files(_SUFFIX), key=lambda entry: entry[1].st_mtime_ns)
        excess = sum(info.st_size for _, info in entries) - self.max_bytes
        for path, info in entries:
            if excess <= 0:
                break
            if path != keep:
                self._remove(path)
                excess -= info.st_size

    @staticmethod
    def _remove(path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()


def _scan(folder: Path, suffix: str) -> Iterator[tuple[Path, os.stat_result]]:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(suffix):
                # Another process may remove it between listing and looking.
                with contextlib.suppress(FileNotFoundError):
                    yield Path(entry.path), entry.stat(follow_symlinks=False)


def _checksum(key: str, code: bytes | memoryview) -> bytes:
    hasher = Sha256()
    hasher.update(key.encode())
    hasher.update(struct.pack("<Q", len(code)))
    hasher.update(code)
    return hasher.digest()


def _damage(fd: int, key: str) -> str | None:
    """Why the open file must not be loaded, or None where it is what this cache wrote for `key`."""
    info = os.fstat(fd)
    if not stat.S_ISREG(info.st_mode):
        return "not a regular file"
    if _OWN_ACCOUNT and (info.st_uid != os.getuid() or info.st_mode & 0o022):
        return "not private to this user"
    if info.st_size <= _TRAILER.size:
        return "truncated"
    with mmap.mmap(fd, info.st_size, access=mmap.ACCESS_READ) as data, memoryview(data) as view:
        magic, length, digest = _TRAILER.unpack_from(view, info.st_size - _TRAILER.size)
        if magic != _MAGIC or length != info.st_size - _TRAILER.size:
            return "truncated or of another format"
        with view[:length] as code:
            return None if _checksum(key, code) == digest else "damaged"
