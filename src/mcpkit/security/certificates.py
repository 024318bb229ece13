"""Who a TLS client certificate belongs to. That it is genuine, the TLS handshake has found out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mcpkit.config.security import Certificate
from mcpkit.security.globs import matcher

_NAMES = {"DNS": "DNS", "URI": "URI", "email": "email", "IP Address": "IP"}


def identities(peer: Mapping[str, Any]) -> Iterator[str]:
    """``URI:…``, ``DNS:…``, ``email:…``, ``IP:…`` of the alternative names, then ``CN:…`` of the subject.

    `peer` is what ``ssl.SSLSocket.getpeercert()`` returns.
    """
    for kind, value in peer.get("subjectAltName", ()):
        if kind in _NAMES:
            yield f"{_NAMES[kind]}:{value}"
    for group in peer.get("subject", ()):
        for name, value in group:
            if name == "commonName":
                yield f"CN:{value}"


class CertificateRules:
    """The configuration's list: the first entry that fits any of a certificate's names counts."""

    def __init__(self, entries: Iterable[Certificate]) -> None:
        self._entries = [(matcher(entry.match), entry) for entry in entries]

    def find(self, peer: Mapping[str, Any]) -> tuple[str, Certificate] | None:
        """The name that fitted and the entry; None: a certificate that means nobody here."""
        names = list(identities(peer))
        for fits, entry in self._entries:
            for name in names:
                if fits(name):
                    return name, entry
        return None
