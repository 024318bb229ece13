"""HTTPS: an SSL context from the configuration's files, and a watch over them."""

from __future__ import annotations

import ssl
from pathlib import Path

from mcpkit.config.transport import Tls

HANDSHAKE_SECONDS = 10.0
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption only. Those of TLS 1.3 are all so."""

_VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class TlsError(OSError):
    """The certificate files cannot be used; the message says which and why."""


class TlsFiles:
    """The files of one configuration."""

    def __init__(self, settings: Tls) -> None:
        self._settings = settings
        self._seen = self._state()

    def context(self) -> ssl.SSLContext:
        """What is in the files now. Raises TlsError."""
        tls = self._settings
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(tls.cert_file, tls.key_file, password=_no_password)
        except (OSError, ValueError) as error:
            raise TlsError(
                f"cannot use certificate {tls.cert_file} with key {tls.key_file}: {_reason(error)}"
            ) from None
        if tls.verify_client != "none":
            try:
                context.load_verify_locations(cafile=tls.ca_file)
            except OSError as error:
                raise TlsError(f"cannot use ca_file {tls.ca_file}: {_reason(error)}") from None
        context.verify_mode = _VERIFY[tls.verify_client]
        return context

    def changed(self) -> bool:
        """Whether a file is another than when this was last asked."""
        state = self._state()
        changed = state != self._seen
        self._seen = state
        return changed

    def _state(self) -> list[tuple[int, int, int] | None]:
        tls = self._settings
        return [_stamp(path) for path in (tls.cert_file, tls.key_file, tls.ca_file) if path is not None]


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _no_password() -> str:
    raise ValueError("the key is encrypted; write it without a password, readable by the server alone")


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "not PEM"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
