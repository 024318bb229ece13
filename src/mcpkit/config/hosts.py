"""Hosts in one spelling each: names in lower case and ASCII, addresses as numbers, however they were written."""

from __future__ import annotations

import re
import socket
import unicodedata

import msgspec

_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# Most names: already in lower case and ASCII, the last part without a digit.
_PLAIN = re.compile(r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z]{1,63}")
_NUMBER = re.compile(r"0[xX][0-9A-Fa-f]*|[0-9]+")
_LONGEST = 253
# The two versions of IDNA make different names of these.
_AMBIGUOUS = frozenset("ßẞς\u200c\u200d")


class HostError(ValueError):
    """A text that names no host."""


class Address(msgspec.Struct, frozen=True):
    """An IP address. IPv4 inside IPv6 (``::ffff:10.0.0.1``) is IPv4."""

    bits: int
    """32 or 128."""
    value: int

    def __str__(self) -> str:
        family = socket.AF_INET if self.bits == 32 else socket.AF_INET6
        return socket.inet_ntop(family, self.value.to_bytes(self.bits // 8))


def parse_host(text: str) -> str | Address:
    """A name in lower case and ASCII without a last dot, or an address. Raises HostError.

    As every resolver does, it takes ``127.1``, ``0x7f.1``, ``017700000001`` and ``2130706433`` for 127.0.0.1.
    """
    if len(text) <= _LONGEST and _PLAIN.fullmatch(text):
        return text
    if not text or len(text) > 4 * _LONGEST:
        raise HostError("is not a host: empty, or too long")
    if not text.isascii():
        text = _ascii(text)
    text = text.lower()
    if ":" in text or text.startswith("["):
        return _version_6(text)
    text = text.removesuffix(".")
    labels = text.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _version_4(labels)
    if len(text) > _LONGEST or not all(map(_LABEL.fullmatch, labels)):
        raise HostError("is not a host: letters, digits, - and _ with dots between")
    return text


def _ascii(text: str) -> str:
    if not _AMBIGUOUS.isdisjoint(text):
        raise HostError("has letters that stand for different names to different programs; write its xn-- form")
    try:
        return unicodedata.normalize("NFKC", text).encode("idna").decode("ascii")
    except UnicodeError:
        raise HostError("is not an internationalized host name") from None


def _version_6(text: str) -> Address:
    inner = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        value = int.from_bytes(socket.inet_pton(socket.AF_INET6, inner))
    except (OSError, ValueError):
        raise HostError("is not an IPv6 address; zones and ports do not belong to it") from None
    return Address(32, value & 0xFFFFFFFF) if value >> 32 == 0xFFFF else Address(128, value)


def _version_4(labels: list[str]) -> Address:
    if len(labels) > 4 or not all(map(_NUMBER.fullmatch, labels)):
        raise HostError("ends in a number and is no IPv4 address")
    try:
        *heads, tail = map(_number, labels)
    except ValueError:
        raise HostError("is no IPv4 address: a part that begins with 0 is octal") from None
    if any(head > 255 for head in heads) or tail >= 256 ** (4 - len(heads)):
        raise HostError("is no IPv4 address: a part is too large")
    value = tail
    for i, head in enumerate(heads):
        value |= head << 8 * (3 - i)
    return Address(32, value)


def _number(part: str) -> int:
    if part.startswith("0x"):
        return int(part[2:] or "0", 16)
    return int(part, 8) if part.startswith("0") else int(part)


def _v4(network: str, name: str) -> tuple[int, int, str]:
    address, _, prefix = network.partition("/")
    first = int.from_bytes(socket.inet_pton(socket.AF_INET, address))
    return first, first | (0xFFFFFFFF >> int(prefix)), name


_SPECIAL_4 = [
    _v4("0.0.0.0/8", "this network"),
    _v4("10.0.0.0/8", "private (10.0.0.0/8)"),
    _v4("100.64.0.0/10", "a provider's own"),
    _v4("127.0.0.0/8", "this machine"),
    _v4("169.254.0.0/16", "link-local"),
    _v4("172.16.0.0/12", "private (172.16.0.0/12)"),
    _v4("192.0.0.0/24", "reserved (192.0.0.0/24)"),
    _v4("192.0.2.0/24", "an example (192.0.2.0/24)"),
    _v4("192.88.99.0/24", "a relay"),
    _v4("192.168.0.0/16", "private (192.168.0.0/16)"),
    _v4("198.18.0.0/15", "for benchmarks"),
    _v4("198.51.100.0/24", "an example (198.51.100.0/24)"),
    _v4("203.0.113.0/24", "an example (203.0.113.0/24)"),
    _v4("224.0.0.0/4", "multicast"),
    _v4("240.0.0.0/4", "reserved (240.0.0.0/4)"),
]
_BY_FIRST_OCTET = [[one for one in _SPECIAL_4 if one[0] >> 24 <= octet <= one[1] >> 24] for octet in range(256)]


def special(address: Address) -> str:
    """What an address is that is not of the public internet; empty for one that is.

    IPv6 addresses that carry IPv4 ones to a translator (NAT64, 6to4, Teredo) are special: they hide where they lead.
    """
    value = address.value
    if address.bits == 32:
        for first, last, name in _BY_FIRST_OCTET[value >> 24]:
            if first <= value <= last:
                return name
        return ""
    if value >> 125 == 1:  # 2000::/3
        return _special_unicast(value)
    if value == 1:
        return "this machine"
    if value >> 121 == 0xFC >> 1:
        return "private (fc00::/7)"
    if value >> 118 == 0xFE80 >> 6:
        return "link-local"
    if value >> 118 == 0xFEC0 >> 6:
        return "private (fec0::/10)"
    if value >> 120 == 0xFF:
        return "multicast"
    return "translated (64:ff9b::/96)" if value >> 32 == 0x64FF9B << 64 else "reserved"


def _special_unicast(value: int) -> str:
    if value >> 105 == 0x20010000 >> 9:
        return "translated or reserved (2001::/23)"
    if value >> 96 == 0x20010DB8:
        return "an example (2001:db8::/32)"
    if value >> 112 == 0x2002:
        return "translated (2002::/16)"
    return "an example (3fff::/20)" if value >> 108 == 0x3FFF0 else ""
