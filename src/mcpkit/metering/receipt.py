"""Receipts: what one call was given, did and used, so that it can be done again and held to it. See docs/replay.md."""

from __future__ import annotations

import base64
import os
import stat
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

FORMAT = 1
MAX_BYTES = 64 << 20
"""Of a receipt's file."""

Digest = Annotated[str, msgspec.Meta(pattern="^sha256:[0-9a-f]{64}$")]
Number = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Small = Annotated[int, msgspec.Meta(ge=0, le=2**32 - 1)]
Text = Annotated[str, msgspec.Meta(max_length=1 << 20, pattern="^[^\\x00]*$")]


class ReceiptError(Exception):
    """A receipt that cannot be read, written or trusted; the message says which and why."""


class Engine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What ran it."""

    mcpkit: Text
    wasmtime: Text
    compiler: Literal["cranelift", "pulley"]


class Called(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was called, and what it could see. Of credentials the names alone."""

    name: Text
    module: Digest
    style: Literal["command", "function"]
    interface: Text | None = None
    function: Text | None = None
    argv: tuple[Text, ...] = ()
    env: tuple[tuple[Text, Text], ...] = ()
    secrets: tuple[Text, ...] = ()


class Held(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The limits that can decide about a result. Time is not among them."""

    enforcement: Literal["strict", "warning", "tracking"]
    max_units: Number
    max_memory: Number
    max_tables: Small = 0
    max_result: Number = 0
    max_output: Small = 0


class Used(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    units: Number
    memory_bytes: Number
    wall_ns: Number


class Ended(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the call ended. Bytes are base64."""

    status: Text
    output: str
    exit_status: int = 0
    detail: Text = ""


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One call."""

    receipt: Literal[1] = 1
    at: Text
    """RFC 3339, UTC."""
    engine: Engine
    tool: Called
    limits: Held
    arguments: str
    """JSON text, as the guest got it."""
    told: str
    """base64 of what the guest was told of clocks and chance."""
    reproducible: bool
    why_not: Text = ""
    result: Ended
    usage: Used
    signature: str | None = None
    """base64 of an Ed25519 signature over everything else."""
    key: str | None = None
    """base64 of the public key that belongs to it."""


_decoder = msgspec.json.Decoder(Receipt)


def encode(receipt: Receipt) -> bytes:
    """Canonical JSON: members in the order of their names, no space."""
    return msgspec.json.encode(receipt, order="sorted")


def read(path: Path) -> Receipt:
    """A receipt from a file, which may be anybody's. Raises ReceiptError."""
    try:
        if path.exists() and not path.is_file():  # one would wait at a pipe, and read a device without end
            raise ReceiptError(f"{path}: not a file")
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise ReceiptError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        return _decoder.decode(data)
    except OSError as error:
        raise ReceiptError(f"{path}: {error.strerror or error}") from None
    except msgspec.MsgspecError as error:
        raise ReceiptError(f"{path}: no receipt of this format: {error}") from None


def unpacked(text: str, what: str) -> bytes:
    """The bytes of a base64 member. Raises ReceiptError."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        raise ReceiptError(f"{what} is not base64") from None


def packed(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _signed_part(receipt: Receipt) -> bytes:
    return b"mcpkit receipt\n" + encode(msgspec.structs.replace(receipt, signature=None, key=None))


def new_key(path: Path) -> str:
    """Write a new Ed25519 private key (PEM, for its owner alone); the public key as base64. Raises ReceiptError."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(pem)
    except OSError as error:
        raise ReceiptError(f"{path}: {error.strerror or error}") from None
    return _public(private)


def load_key(path: Path) -> Any:
    """A private key that only its owner can read. Raises ReceiptError."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ReceiptError(f"{path}: others can read this key; chmod 600 it first")
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise ReceiptError(f"{path}: {error.strerror or error}") from None
    except (ValueError, TypeError):
        raise ReceiptError(f"{path}: no private key in PEM form") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise ReceiptError(f"{path}: not an Ed25519 key; make one with: mcpkit receipt keygen FILE")
    return key


def sign(receipt: Receipt, key: Any) -> Receipt:
    """The receipt with a signature by `key`, from `load_key`."""
    signature = key.sign(_signed_part(receipt))
    return msgspec.structs.replace(receipt, signature=packed(signature), key=_public(key))


def verify(receipt: Receipt, public: str) -> None:
    """Raises ReceiptError unless `public` (base64) signed exactly this receipt."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if receipt.signature is None:
        raise ReceiptError("it is not signed")
    try:
        key = Ed25519PublicKey.from_public_bytes(unpacked(public, "the public key"))
    except ValueError:
        raise ReceiptError("the public key is no Ed25519 key") from None
    try:
        key.verify(unpacked(receipt.signature, "the signature"), _signed_part(receipt))
    except InvalidSignature:
        raise ReceiptError("the signature is not by this key, or the receipt was changed") from None


def _public(private: Any) -> str:
    from cryptography.hazmat.primitives import serialization

    raw = private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return packed(raw)
