"""Writes receipts: one file per call, and each module once, so that a folder of them can be replayed anywhere."""

from __future__ import annotations

import logging
import os
import queue
import secrets
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mcpkit.core.digest import sha256
from mcpkit.metering.receipt import Called, Ended, Engine, Held, Receipt, ReceiptError, Used, encode, packed, sign
from mcpkit.security.secrets import redacted

if TYPE_CHECKING:
    from mcpkit.core.wasm import CallResult

log = logging.getLogger("mcpkit.receipts")

MODULES = "modules"
QUEUED = 1024
"""Receipts that may wait for the disk; more are dropped, and counted."""


class Recorder:
    """A folder of receipts and a thread that writes into it. A context manager."""

    def __init__(self, folder: Path, engine: Engine, key: Any = None) -> None:
        """`key`: signs them. Raises ReceiptError for a folder that cannot be written into."""
        self.folder = folder
        self.lost = 0
        """Receipts that could not be written."""
        self._engine = engine
        self._key = key
        self._queue: queue.Queue[Receipt | None] = queue.Queue(QUEUED)
        try:
            (folder / MODULES).mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = folder / f".{secrets.token_hex(4)}"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            raise ReceiptError(f"receipts cannot be written to {folder}: {error.strerror or error}") from None
        self._thread = threading.Thread(target=self._work, name="mcpkit-receipts", daemon=True)
        self._thread.start()

    def module(self, binary: bytes) -> str:
        """Keep a module; its digest. Raises ReceiptError."""
        name = sha256(binary).hex()
        try:
            path = self.folder / MODULES / f"{name}.wasm"
            if not path.exists():
                _write(path, binary)
        except OSError as error:
            raise ReceiptError(f"the module cannot be kept in {self.folder}: {error.strerror or error}") from None
        return f"sha256:{name}"

    def note(self, tool: Called, limits: Held, arguments: bytes, result: CallResult, *, outside: str = "") -> None:
        """Write a receipt of a call, soon. `outside`: what else the guest was told, which nobody kept."""
        why = outside
        if not why and not result.whole:
            why = "it looked at files, or was told more than is kept"
        if not why and result.status in {"timeout", "cancelled", "busy", "internal", "quota", "rate"}:
            why = f"it ended as {result.status}, which the guest did not decide"
        if not why and tool.secrets:
            why = "it was given credentials, which are not kept"
        receipt = Receipt(
            at=datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            engine=self._engine,
            tool=tool,
            limits=limits,
            arguments=arguments.decode("utf-8", "replace"),
            told=packed(result.recalled),
            reproducible=not why,
            why_not=why,
            result=Ended(
                status=result.status,
                output=packed(_masked(result.output) if tool.secrets else result.output),
                exit_status=result.exit_status,
                detail=redacted(result.detail.replace("\0", ""))[: 1 << 20],
            ),
            usage=Used(units=result.units, memory_bytes=result.memory_bytes, wall_ns=result.wall_ns),
        )
        try:
            self._queue.put_nowait(receipt)
        except queue.Full:
            self._lose("the disk does not keep up")

    def close(self) -> None:
        """Write what waits."""
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _work(self) -> None:
        while (receipt := self._queue.get()) is not None:
            try:
                signed = sign(receipt, self._key) if self._key is not None else receipt
                name = f"{receipt.at.translate({ord(':'): None, ord('-'): None})}-{secrets.token_hex(4)}.json"
                _write(self.folder / name, encode(signed) + b"\n")
            except (OSError, msgspec.MsgspecError) as error:
                self._lose(str(error))

    def _lose(self, why: str) -> None:
        self.lost += 1
        if self.lost & (self.lost - 1) == 0:  # the first, the second, the fourth, …
            log.error("%d receipts are lost: %s", self.lost, why)


def _masked(output: bytes) -> bytes:
    """A guest may tell its secrets in a result, which passes; a receipt is kept."""
    return redacted(output.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
