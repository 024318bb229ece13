"""The smallest picture and the smallest recording that are whole files."""

from __future__ import annotations

import struct
import zlib


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


RED_PIXEL = (
    b"\x89PNG\r\n\x1a\n"
    + _chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    + _chunk(b"IDAT", zlib.compress(b"\x00\xff\x00\x00"))
    + _chunk(b"IEND", b"")
)
"""A PNG of one red pixel."""

_RATE = 8000
_SAMPLES = bytes(80)
SILENCE = (
    struct.pack("<4sI4s4sIHHIIHH", b"RIFF", 36 + len(_SAMPLES), b"WAVE", b"fmt ", 16, 1, 1, _RATE, _RATE, 1, 8)
    + struct.pack("<4sI", b"data", len(_SAMPLES))
    + _SAMPLES
)
"""A WAV of ten milliseconds."""
