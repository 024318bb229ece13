"""SHA-256 as bundles, caches and signatures use it: every kernel of this machine gives what hashlib gives."""

from __future__ import annotations

import hashlib
import mmap
import threading
from array import array
from collections.abc import Callable
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpkit.core import cpu, digest

KERNELS = digest.kernels()
every_kernel = pytest.mark.parametrize("kernel", KERNELS)

# FIPS 180-4 and the examples published with it.
KNOWN = [
    (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (
        b"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
        b"hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu",
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1",
    ),
    (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
]


@every_kernel
@pytest.mark.parametrize(("message", "expected"), KNOWN, ids=["empty", "abc", "448 bits", "896 bits", "a million a"])
def test_known_answers(kernel: str, message: bytes, expected: str) -> None:
    assert digest.sha256(message, kernel=kernel).hex() == expected
    assert digest.Sha256(message, kernel=kernel).hexdigest() == expected


@every_kernel
def test_every_length_around_the_block_and_the_gil_threshold(kernel: str) -> None:
    data = bytes(range(256)) * 33
    for size in [*range(260), *range(4090, 4103), len(data)]:
        assert digest.sha256(data[:size], kernel) == hashlib.sha256(data[:size]).digest(), size


@every_kernel
@given(st.lists(st.binary(max_size=300), max_size=12))
def test_a_message_in_pieces_is_the_message(kernel: str, pieces: list[bytes]) -> None:
    hasher, reference = digest.Sha256(kernel=kernel), hashlib.sha256()
    for piece in pieces:
        hasher.update(piece)
        reference.update(piece)
        assert hasher.digest() == reference.digest()  # looking in between changes nothing
    assert hasher.size == sum(map(len, pieces))
    assert digest.sha256(b"".join(pieces), kernel) == reference.digest()


@given(st.binary(max_size=9000), st.integers(0, 9000))
def test_all_kernels_agree_on_unaligned_data(data: bytes, start: int) -> None:
    view = memoryview(data)[start:]
    assert {digest.sha256(view, kernel) for kernel in KERNELS} == {hashlib.sha256(view).digest()}


def test_a_copy_goes_its_own_way() -> None:
    first = digest.Sha256(b"common ")
    second = first.copy()
    first.update(b"left")
    second.update(b"right")
    assert first.digest() == digest.sha256(b"common left")
    assert second.digest() == digest.sha256(b"common right")


def test_whatever_holds_bytes_is_taken() -> None:
    with mmap.mmap(-1, 10_000) as page:
        page[:5] = b"hello"
        for data in (bytearray(b"hello"), memoryview(b"hello"), array("d", [1.0, 2.0]), page):
            assert digest.sha256(data) == digest.Sha256(data).digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("wrong", ["text", 5, None, [1], memoryview(b"spaced out")[::2]])
def test_what_is_not_a_plain_run_of_bytes_is_refused(wrong: object) -> None:
    for use in cast("list[Callable[[object], bytes]]", [digest.sha256, digest.Sha256, digest.Sha256().update]):
        with pytest.raises((TypeError, BufferError)):
            use(wrong)


def test_an_unknown_kernel_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(ValueError, match=r"no SHA-256 kernel 'abacus' on this machine: choose from .*portable"):
        digest.sha256(b"", kernel="abacus")


def test_the_machines_own_instructions_come_first() -> None:
    own = {"shani": "shani", "sha2": "armv8"}
    expected = [own[feature] for feature in cpu.features() if feature in own]
    assert [*expected, "portable"] == KERNELS


def test_threads_may_share_one_digest() -> None:
    shared, piece = digest.Sha256(), b"\x5a" * 50_000

    def work() -> None:
        for _ in range(20):
            shared.update(piece)
            shared.update(b"\x5a")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shared.digest() == hashlib.sha256(b"\x5a" * (4 * 20 * 50_001)).digest()


def test_feature_names_and_mask_are_one_answer() -> None:
    assert sum(cpu.NAMES[name] for name in cpu.features()) == cpu.mask()
