"""Documentation that a component carries: the custom section ``package-docs``.

WIT tools write it as one version byte (0 or 1) and JSON: ``{"package": …, "worlds": {name: {"func_exports": {name:
{"docs": …}}, …}}, "interfaces": {name: {"docs": …, "funcs": {name: {"docs": …}}}}}``. In version 0 a function's entry
is the text itself. It stands at the component's top level or inside a nested component, or in the WIT package that a
core module keeps in its ``component-type`` section. Facts from wit-parser's metadata.rs (wasm-tools).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from mcpkit.guests.recognise import layer

PACKAGE_DOCS = b"package-docs"
COMPONENT_TYPE = b"component-type"
VERSIONS = (0, 1)

LONGEST = 1 << 20
"""Bytes of one section that are read."""
DEEPEST = 8

_CUSTOM, _CORE_MODULE, _COMPONENT = 0, 1, 4


class Docs:
    """Looks up what a component says of its functions."""

    def __init__(self, packages: list[dict[str, Any]]) -> None:
        self._packages = packages

    @classmethod
    def of_file(cls, path: Path) -> Docs:
        """Empty where the file has none, cannot be read or is no binary: documentation is never a reason to fail."""
        try:
            with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as binary:
                view = memoryview(binary)
                try:
                    return cls(list(_packages(view)))
                finally:
                    view.release()
        except (OSError, ValueError):
            return cls([])

    @classmethod
    def of_bytes(cls, binary: bytes) -> Docs:
        return cls(list(_packages(memoryview(binary))))

    def function(self, interface: str | None, name: str) -> str | None:
        """The text beside an exported function."""
        for package, entry in self._entries(interface):
            functions = ["funcs"] if package else ["func_exports", "funcs"]
            for key in functions:
                text = _text(_member(entry, key, name))
                if text:
                    return text
        return None

    def _entries(self, interface: str | None) -> Iterator[tuple[bool, dict[str, Any]]]:
        """Worlds for functions at the root; interfaces by their name, those of the right package first."""
        if interface is None:
            for package in self._packages:
                for world in _members(package, "worlds"):
                    yield False, world
            return
        path, _, version = interface.partition("@")
        owner, _, local = path.rpartition("/")
        if not owner:  # an interface written inside the world
            for package in self._packages:
                for world in _members(package, "worlds"):
                    for key in ("interface_exports", "interfaces"):
                        yield True, _member(world, key, local)
            return
        full = f"{owner}@{version}" if version else owner
        for package in sorted(self._packages, key=lambda package: package.get("package") != full):
            if package.get("package", full) == full:
                yield True, _member(package, "interfaces", local)


def _member(owner: dict[str, Any], *path: str) -> Any:
    value: Any = owner
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return {} if value is None else value


def _members(owner: dict[str, Any], key: str) -> list[Any]:
    found = _member(owner, key)
    return list(found.values()) if isinstance(found, dict) else []


def _text(entry: Any) -> str | None:
    docs = entry.get("docs") if isinstance(entry, dict) else entry
    return docs.strip() or None if isinstance(docs, str) else None


def _leb(view: memoryview, at: int) -> tuple[int, int]:
    """An unsigned LEB128 number of at most 32 bits, and the offset after it."""
    value = 0
    for shift in range(0, 35, 7):
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number too long")


def _sections(view: memoryview) -> Iterator[tuple[int, memoryview]]:
    at = 8
    while at < len(view):
        kind = view[at]
        size, at = _leb(view, at + 1)
        if size > len(view) - at:
            return
        yield kind, view[at : at + size]
        at += size


def _packages(view: memoryview, depth: int = 0) -> Iterator[dict[str, Any]]:
    """What every ``package-docs`` section says, outer ones first."""
    if depth > DEEPEST or layer(bytes(view[:8])) is None:
        return
    nested: list[memoryview] = []
    try:
        for kind, content in _sections(view):
            if kind == _CUSTOM:
                size, at = _leb(content, 0)
                name, rest = bytes(content[at : at + min(size, 64)]), content[at + size :]
                if name == PACKAGE_DOCS and len(rest) <= LONGEST:
                    package = _decode(bytes(rest))
                    if package:
                        yield package
                elif name.startswith(COMPONENT_TYPE):
                    nested.append(rest)
            elif kind in (_CORE_MODULE, _COMPONENT) and layer(bytes(view[:8])) == "component":
                nested.append(content)
    except (IndexError, ValueError):
        return
    for content in nested:
        yield from _packages(content, depth + 1)


def _decode(section: bytes) -> dict[str, Any]:
    if not section or section[0] not in VERSIONS:
        return {}
    try:
        package = msgspec.json.decode(section[1:])
    except msgspec.DecodeError:
        return {}
    return package if isinstance(package, dict) else {}
