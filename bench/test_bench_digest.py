"""SHA-256 beside OpenSSL's through hashlib: one call from Python each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from mcpkit.core import digest

SIZES = {"64 bytes": 64, "4 KiB": 1 << 12, "1 MiB": 1 << 20}


def openssl(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


HASHERS: dict[str, Callable[[bytes], bytes]] = {"mcpkit": digest.sha256, "hashlib": openssl}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("hasher", HASHERS)
def test_bench_sha256(benchmark: BenchmarkFixture, hasher: str, size: str) -> None:
    data = bytes(range(256)) * (SIZES[size] // 256) or bytes(range(SIZES[size]))
    benchmark.group = f"SHA-256, {size}"
    benchmark.name = hasher
    benchmark.extra_info |= {"bytes": len(data), "reference": hasher == "hashlib"}
    assert benchmark(HASHERS[hasher], data) == hashlib.sha256(data).digest()
