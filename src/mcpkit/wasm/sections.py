"""What a WebAssembly binary says of its memories, without compiling it."""

from __future__ import annotations

from collections.abc import Iterator

PAGE = 65536

_MEMORIES = 5
_CORE_MODULE, _COMPONENT = 1, 4
_HEAD = 8
_MAX_DEPTH = 16


def memory_minimum(binary: bytes) -> int:
    """Bytes of the largest memory that a module, or a component's modules, start with; 0 where there is none.

    Nothing is checked beyond what is read: the compiler refuses what is not WebAssembly. ValueError where the text ends
    too early.
    """
    return _largest(memoryview(binary), 0)


def _largest(binary: memoryview, depth: int) -> int:
    component = bytes(binary[6:8]) == b"\1\0"
    largest = 0
    for kind, body in _sections(binary):
        if component and kind in (_CORE_MODULE, _COMPONENT) and depth < _MAX_DEPTH:
            largest = max(largest, _largest(body, depth + 1))
        elif not component and kind == _MEMORIES:
            largest = max(largest, _memories(body))
    return largest


def _sections(binary: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = _HEAD
    while at < len(binary):
        kind = binary[at]
        size, at = _number(binary, at + 1)
        yield kind, binary[at : at + size]
        at += size


def _memories(body: memoryview) -> int:
    count, at = _number(body, 0)
    largest = 0
    for _ in range(count):
        flags = body[at] if at < len(body) else 0
        minimum, at = _number(body, at + 1)
        if flags & 1:
            _, at = _number(body, at)
        page = PAGE
        if flags & 8:
            power, at = _number(body, at)
            page = 1 << min(power, 16)
        largest = max(largest, minimum * page)
    return largest


def _number(body: memoryview, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number of at most 64 bits and where the next thing begins."""
    value = shift = 0
    while at < len(body) and shift < 70:
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError("a number of the binary format does not end")
