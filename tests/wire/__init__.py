r"""Wire fixtures: Markdown with the bytes of a message in one fence and what is expected of it in the next.

A heading names the case. Lines of a fence called ``http`` end with CR LF; Python's escapes stand for odd bytes in it,
and a backslash at the end of its last line says that the line does not end. A fence called ``json`` is the text as it
stands, without the last line end. The second fence has one ``key: value`` on each line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^### (?P<name>.+?)\n.*?^```(?P<kind>\w+)\n(?P<bytes>.*?)^```\n.*?^```expect\n(?P<expect>.*?)^```$", re.M | re.S
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
    if kind == "json":  # its own escapes stay
        return text.encode().removesuffix(b"\n")
    ended = text.replace("\n", "\r\n").removesuffix("\\\r\n")
    return ended.encode("latin-1").decode("unicode_escape").encode("latin-1")


def expectations(text: str) -> dict[str, str]:
    return {key: value.strip(" ") for key, _, value in (line.partition(":") for line in text.splitlines())}
