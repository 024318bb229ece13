"""Strict JSON validation beside orjson, which builds the objects as well, and what it costs by kernel."""

from __future__ import annotations

import functools

import orjson
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mcpkit.core import json

RECORD = {
    "key": "some words",
    "number": 12345.5,
    "flag": True,
    "list": [1, 2, 3],
    "text": "a sentence, somewhat longer",
}
DOCUMENTS = {
    "long strings": orjson.dumps(["plain text of some length, repeated over and over. " * 20] * 63),
    "Chinese strings": orjson.dumps(["一段不太长的文字。" * 40] * 60),
    "records": orjson.dumps([RECORD] * 540),
}


@pytest.mark.parametrize("reader", [*json.kernels(), "orjson"])
@pytest.mark.parametrize("document", DOCUMENTS)
def test_bench_validate(benchmark: BenchmarkFixture, document: str, reader: str) -> None:
    data = DOCUMENTS[document]
    benchmark.group = f"JSON validation, 64 KiB of {document}"
    benchmark.name = reader
    benchmark.extra_info |= {"bytes": len(data), "reference": reader == "orjson"}
    benchmark(orjson.loads if reader == "orjson" else functools.partial(json.validate, kernel=reader), data)
