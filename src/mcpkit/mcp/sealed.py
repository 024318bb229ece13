"""``requestState``: what a modern call must remember between rounds, sealed and given to the client to carry.

AES-256-GCM (RFC 5116) by the `cryptography` package. A state is bound to the caller, the method, the request's own
parameters and a time; whoever changes a bit of it, or plays it elsewhere, is told -32602.
"""

from __future__ import annotations

import base64
import os
import time
from typing import Any

import msgspec

from mcpkit.mcp.errors import invalid_params

MAX_BYTES = 64 << 10
LIFETIME_S = 15 * 60.0
_CONTEXT = b"mcpkit requestState 1"
_NONCE = 12


class State(msgspec.Struct, frozen=True, array_like=True):
    """What is inside."""

    expires: float
    owner: str
    """Who called: an identity that is the same in every process; empty where nobody is told apart."""
    method: str
    digest: str
    """Of the parameters that must stay the same from round to round."""
    answers: dict[str, dict[str, Any]]
    state: dict[str, Any]


class Sealer:
    """Seals and opens with one key. Workers that share a key can open each other's states."""

    def __init__(self, key: bytes | None = None) -> None:
        """`key`: 32 bytes; None: random, good for as long as this process lives."""
        self._key = key or os.urandom(32)
        self._cipher: Any = None
        self._decode = msgspec.json.Decoder(State)

    def _aead(self) -> Any:
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(self._key)
        return self._cipher

    def seal(self, state: State) -> str:
        """Text for ``requestState``. Raises McpError where it would be larger than MAX_BYTES."""
        plain = msgspec.json.encode(state)
        if len(plain) > MAX_BYTES:
            raise invalid_params(
                f"the answers gathered so far have {len(plain)} bytes, more than the {MAX_BYTES} that a state may carry"
            )
        nonce = os.urandom(_NONCE)
        return _text(nonce + self._aead().encrypt(nonce, plain, _CONTEXT))

    def open(self, text: str, *, owner: str, method: str, digest: str) -> State:
        """What was sealed; raises -32602 unless it is ours, whole, for this caller and request, and not too old."""
        from cryptography.exceptions import InvalidTag

        try:
            raw = _bytes(text)
            plain = self._aead().decrypt(raw[:_NONCE], raw[_NONCE:], _CONTEXT)
        except (ValueError, InvalidTag):
            raise invalid_params("requestState is not one that this server gave out") from None
        state = self._decode.decode(plain)
        if (state.owner, state.method, state.digest) != (owner, method, digest):
            raise invalid_params("requestState belongs to another request")
        if state.expires < time.time():
            raise invalid_params("requestState is too old; start again without it")
        return state


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _bytes(text: str) -> bytes:
    """Raises ValueError for all but the one text that these bytes have; the decoder alone lets endings pass."""
    raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    if _text(raw) != text:
        raise ValueError("not what these bytes are written as")
    return raw
