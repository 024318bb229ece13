"""API keys: 256 random bits, kept as salted SHA-256.

A slow hash protects what people choose; against 256 random bits nobody can try anything, so a fast one does.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Iterable

import msgspec

from mcpkit.config.security import ApiKey

PREFIX = "mcpkit_"
"""What every key begins with, so that scanners for secrets can find it."""


class NewKey(msgspec.Struct, frozen=True):
    """A key just made. `key` is kept nowhere."""

    key: str
    hash: str

    def __repr__(self) -> str:
        return f"NewKey(hash={self.hash!r})"


def new_key() -> NewKey:
    """A key that nobody has."""
    key = PREFIX + secrets.token_urlsafe(32)
    salt = secrets.token_bytes(16)
    return NewKey(key, f"sha256:{salt.hex()}:{_digest(salt, key).hex()}")


class KeyRing:
    """The configuration's keys."""

    def __init__(self, entries: Iterable[ApiKey]) -> None:
        self._entries: list[tuple[bytes, bytes, ApiKey]] = []
        for entry in entries:
            _, salt, digest = entry.hash.split(":")
            self._entries.append((bytes.fromhex(salt), bytes.fromhex(digest), entry))

    def find(self, key: str) -> ApiKey | None:
        """Whose key it is; takes as long for a wrong one as for a right one."""
        found = None
        for salt, digest, entry in self._entries:
            if hmac.compare_digest(_digest(salt, key), digest):
                found = entry
        return found


def _digest(salt: bytes, key: str) -> bytes:
    return hashlib.sha256(salt + key.encode()).digest()
