"""Quantities as people write them: sizes, durations, processor shares, numbers with digit groups."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal

from mcpkit.config.errors import UnitError

_INTEGER = re.compile(r"[+-]?[0-9]+(?:_[0-9]+)*")
_QUANTITY = re.compile(r"([0-9]+(?:_[0-9]+)*(?:\.[0-9]+)?)\s*([A-Za-z]*)")

_SIZES: dict[str, int] = {
    "": 1,
    "B": 1,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "K": 1000,
    "M": 1000**2,
    "G": 1000**3,
}
_SIZES |= {f"{suffix}B": factor for suffix, factor in _SIZES.items() if suffix not in ("", "B")}

_NANOSECONDS: dict[str, int] = {
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}

_MAX = (1 << 63) - 1


def is_integer(text: str) -> bool:
    """True for decimal digits, possibly grouped by single underscores, possibly signed."""
    return _INTEGER.fullmatch(text) is not None


def integer(text: str) -> int:
    """A whole number, possibly with digit groups: ``10_000_000``."""
    if not is_integer(text):
        raise UnitError(f"expected a whole number such as 10_000_000, got {text!r}")
    if len(text) > 40:
        raise UnitError(f"{text[:40]}… is too large a number")
    return int(text)


def compute_units(text: str) -> int:
    """A positive number of compute units: ``1000000``, ``10_000_000``, or with K, M, G or B (10⁹): ``10M``."""
    amount, suffix = _split(text, "a number of compute units such as 10_000_000 or 10M")
    factor = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9}.get(suffix)
    if factor is None:
        raise UnitError(f"unknown suffix {suffix!r} of {text!r}; compute units take K, M, G, B or none")
    return _whole(amount * factor, text, "compute unit")


def size(text: str) -> int:
    """A size in bytes: ``512Mi`` (1024-based: Ki, Mi, Gi), ``10M`` (1000-based: K, M, G) or bytes."""
    amount, suffix = _split(text, "a size such as 512Mi, 4Gi, 10M or a number of bytes")
    factor = _SIZES.get(suffix)
    if factor is None:
        raise UnitError(f"unknown suffix {suffix!r} of {text!r}; sizes take Ki, Mi, Gi, K, M, G or none (bytes)")
    return _whole(amount * factor, text, "byte")


def duration(text: str) -> int:
    """A duration in nanoseconds: ``500ms``, ``30s``, ``5m``, ``1h``. The unit is needed."""
    amount, suffix = _split(text, "a duration such as 500ms, 30s, 5m or 1h")
    factor = _NANOSECONDS.get(suffix)
    if factor is None:
        what = f"unknown unit {suffix!r} of" if suffix else "no unit in"
        raise UnitError(f"{what} {text!r}; durations take ms, s, m or h")
    return _whole(amount * factor, text, "nanosecond")


def millicores(text: str) -> int:
    """A share of processors in thousandths: ``100m`` is 100, ``0.5`` is 500, ``2`` is 2000."""
    amount, suffix = _split(text, "a processor share such as 100m or 0.5")
    if suffix not in ("", "m"):
        raise UnitError(f"unknown suffix {suffix!r} of {text!r}; processor shares take m (thousandths) or none")
    return _whole(amount if suffix else amount * 1000, text, "millicore")


def show_size(count: int) -> str:
    """Bytes in the largest 1024-based unit that divides them: ``512Mi``, ``1536Ki``, ``100`` (bytes)."""
    for suffix in ("Gi", "Mi", "Ki"):
        if count and count % _SIZES[suffix] == 0:
            return f"{count // _SIZES[suffix]}{suffix}"
    return str(count)


def show_duration(nanoseconds: int) -> str:
    """Nanoseconds in the largest unit that divides them: ``1m``, ``90s``, ``1500ms``, ``0.5ms``."""
    for suffix in ("h", "m", "s", "ms"):
        if nanoseconds and nanoseconds % _NANOSECONDS[suffix] == 0:
            return f"{nanoseconds // _NANOSECONDS[suffix]}{suffix}"
    return f"{nanoseconds / 1e6:g}ms"


def _split(text: str, expected: str) -> tuple[Decimal, str]:
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or len(text) > 40:
        raise UnitError(f"expected {expected}, got {text[:40]!r}")
    return Decimal(match[1].replace("_", "")), match[2]


def _whole(amount: Decimal, text: str, unit: str) -> int:
    count = int(amount.to_integral_value(ROUND_HALF_UP))
    if count < 1:
        raise UnitError(f"{text!r} is less than one {unit}; leave the key out for the default")
    if count > _MAX:
        raise UnitError(f"{text!r} is more than the largest possible value, {_MAX} {unit}s")
    return count
