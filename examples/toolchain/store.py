"""Build products are kept under a key of everything they were made from, so that building twice costs nothing."""

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).resolve().parent


def content_key(files: Iterable[Path], packages: Iterable[str], *extra: str) -> str:
    """A digest of the files (with the tool chain's own), the versions of `packages`, and further text."""
    hasher = hashlib.sha256()
    for path in [*sorted(HERE.glob("*.py")), *files]:
        data = path.read_bytes()
        hasher.update(f"{path.name} {len(data)}\n".encode())
        hasher.update(data)
    for name in packages:
        try:
            hasher.update(f"{name} {version(name)}\n".encode())
        except PackageNotFoundError:
            hasher.update(f"{name} missing\n".encode())
    for text in extra:
        hasher.update(f"{text}\n".encode())
    return hasher.hexdigest()


def build_once(output: Path, key: str, make: Callable[[Path], None]) -> bool:
    """Make `output` with `make(temporary file)` unless it was made under this key; whether it was made now.

    Several processes may do this at once: one builds, the others wait for it.
    """
    stamp = output.with_name(f".{output.name}.key")
    if _is_current(output, stamp, key):
        return False
    output.parent.mkdir(parents=True, exist_ok=True)
    with _lock(output.with_name(f".{output.name}.lock")):
        if _is_current(output, stamp, key):
            return False
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".making-") as folder:
            product = Path(folder) / output.name
            make(product)
            stamp.unlink(missing_ok=True)
            product.replace(output)
            stamp.write_text(key, encoding="ascii")
    return True


def _is_current(output: Path, stamp: Path, key: str) -> bool:
    try:
        return output.is_file() and stamp.read_text(encoding="ascii") == key
    except OSError:
        return False


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    try:
        import fcntl
    except ImportError:  # Windows: two builds at once only do the work twice
        yield
        return
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
