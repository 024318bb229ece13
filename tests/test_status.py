"""docs/status.md speaks of each row once and names proofs that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/status.md").read_text("utf-8")
TABLE = re.findall(r"^\| ([A-EN]\d\d) \| (\w+) \| (.+) \| (.+) \|$", PAGE, re.M)
OPEN = re.findall(r"\b([A-EN]\d\d)\b", PAGE.partition("## Open")[2])


def test_every_row_stands_once() -> None:
    rows = [row for row, *_ in TABLE] + OPEN
    assert len(rows) == len(set(rows)) == 224


def test_states_are_two() -> None:
    assert {state for _, state, *_ in TABLE} == {"done", "part"}


def test_proofs_exist() -> None:
    for row, _, _, proofs in TABLE:
        named = re.findall(r"`([^`]+)`", proofs)
        assert named, row
        for proof in named:
            assert (ROOT / proof).is_file(), f"{row}: {proof}"
