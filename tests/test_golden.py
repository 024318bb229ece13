"""Odd requests and their answers, from tests/wire/golden.md. # C05 C06"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import odd
import wire
from servers import Connection, HttpServer, Response

CASES = wire.cases("golden.md")
OVER_HTTP = [case for case in CASES if not case.data.startswith((b"{", b"["))]
OVER_STDIO = [case for case in CASES if case.data.startswith((b"{", b"["))]
ANY = "…"


@pytest.fixture(scope="module")
def server() -> Iterator[HttpServer]:
    with odd.serving() as running:
        yield running


def differs(found: Any, wanted: Any, where: str = "$") -> str | None:
    """Where an answer is not what is wanted; None where it is."""
    if wanted == ANY:
        return None if isinstance(found, str) and found else f"{where}: no text"
    if isinstance(wanted, dict) and isinstance(found, dict):
        named = wanted.keys() - {ANY}
        if missing := named - found.keys():
            return f"{where}: without {sorted(missing)}"
        if ANY not in wanted and (more := found.keys() - named):
            return f"{where}: more than was wanted: {sorted(more)}"
        pairs = [(found[key], wanted[key], f"{where}.{key}") for key in wanted if key != ANY]
    elif isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        pairs = [(*pair, f"{where}[{i}]") for i, pair in enumerate(zip(found, wanted, strict=True))]
    else:
        return None if type(found) is type(wanted) and found == wanted else f"{where}: {found!r}"
    return next((fault for pair in pairs if (fault := differs(*pair))), None)


def filled(server: HttpServer, data: bytes) -> bytes:
    """The request with its length counted, and with a session where it has one."""
    if session := re.search(rb"^Mcp-Session-Id: (\*|[\d-]{10})\r$", data, re.M):
        opened = server.session("2025-11-25" if session[1] == b"*" else session[1].decode())
        data = data[: session.start(1)] + opened.encode() + data[session.end(1) :]
    length = len(data.partition(b"\r\n\r\n")[2])
    return data.replace(b"Content-Length: *", b"Content-Length: %d" % length)


def first_event(connection: Connection, head: Response) -> Any:
    """The data of the first server-sent event, the body being chunked."""
    assert head.headers["transfer-encoding"] == "chunked"
    text = b""
    while not (found := re.search(rb"^data: ?(\{.*\})$", text.replace(b"\r\n", b"\n"), re.M)):
        size = int(connection.read_until(b"\r\n"), 16)
        assert size, text
        text += connection.read_until(b"\r\n")
    return json.loads(found[1])


@pytest.mark.parametrize("case", OVER_HTTP, ids=lambda case: case.name)
def test_over_http(server: HttpServer, case: wire.Case) -> None:
    with server.connect() as connection:
        connection.send(filled(server, case.data))
        answer = connection.receive()
        for key, value in case.expect.items():
            if key == "status":
                assert answer.status == int(value), answer
            elif key == "body":
                fault = differs(answer.json, json.loads(value)) if value else answer.body.decode() or None
                assert fault is None, (fault, answer)
            elif key == "event":
                assert differs(event := first_event(connection, answer), json.loads(value)) is None, event
            else:
                assert differs(answer.headers.get(key), value) is None, answer


@pytest.mark.parametrize("case", OVER_STDIO, ids=lambda case: case.name)
def test_over_stdio(case: wire.Case) -> None:
    ended = subprocess.run(odd.command(), input=case.data + b"\n", capture_output=True, timeout=60, check=True)
    answers = [json.loads(line) for line in ended.stdout.splitlines()]
    assert differs(answers, [json.loads(value) for value in case.expect.values()]) is None, answers


def test_every_case_says_why() -> None:
    text = (Path(wire.__file__).parent / "golden.md").read_text(encoding="utf-8")
    for section in text.split("\n### ")[1:]:
        why = section.partition("\n")[2].partition("```")[0].strip()
        assert why.endswith("."), section
