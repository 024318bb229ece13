"""Wire fixtures: Markdown with the bytes of a message in one fence and what is expected of it in the next.

A heading names the case. In a fence of bytes Python's escapes stand for odd bytes (``\\x00``), and a backslash at the end of a line
joins it to the next without a line end. Lines of ``http`` end with CR LF, those of ``json`` are the text as it stands, without
the last line end. The second fence has one ``key: value`` on each line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^### (?P<name>.+?)\n(?:.*?)^```(?P<kind>\w+)\n(?P<bytes>.*?)^```\n(?:.*?)^```expect\n(?P<expect>.*?)^```$",
    re.M | re.S,
)


@dataclass(frozen=True)
class Case:
    name: str
    data: bytes
    expect: dict[str, str]


def cases(file: str) -> list[Case]:
    """Every case of a file in this folder."""
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    found = [
        Case(match["name"], to_bytes(match["kind"], match["bytes"]), expectations(match["expect"]))
        for match in FENCE.finditer(text)
    ]
    assert len(found) == text.count("\n### "), f"{file}: a heading without its two fences"
    return found


def to_bytes(kind: str, text: str) -> bytes:
    end = b"\r\n" if kind == "http" else b"\n"
    data = b""
    for line in text.splitlines():
        joined = line.endswith("\\") and not line.endswith("\\\\")
        data += unescape(line.removesuffix("\\") if joined else line, kind) + (b"" if joined else end)
    return data if kind == "http" else data.removesuffix(end)


def unescape(line: str, kind: str) -> bytes:
    if kind == "json":  # its own escapes stay
        return line.encode()
    return line.encode("latin-1").decode("unicode_escape").encode("latin-1")


def expectations(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) if ": " in line else (line.rstrip(":"), "") for line in text.splitlines())
