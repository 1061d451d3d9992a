"""Content-Encoding: what is unpacked, what is refused, and that nothing is unpacked beyond the limit."""

import contextlib
import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackpush_server.receiver.compression import BrokenEncodingError, UnpackedTooLargeError, unpack

LIMIT = 1024 * 1024


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@given(st.binary(max_size=2000))
def test_every_encoding_gives_the_body_back(data: bytes) -> None:
    assert unpack(gzip.compress(data), "gzip", LIMIT) == data
    assert unpack(gzip.compress(data), " X-GZip ", LIMIT) == data
    assert unpack(zlib.compress(data), "deflate", LIMIT) == data
    assert unpack(raw_deflate(data), "deflate", LIMIT) == data
    assert unpack(data, "identity", LIMIT) == data


def test_a_gzip_body_may_have_several_parts() -> None:
    assert unpack(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip", LIMIT) == b"one two"


def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    assert len(unpack(gzip.compress(b"a" * 100), "gzip", 100)) == 100
    for encoding, packed in (("gzip", gzip.compress(b"a" * 101)), ("deflate", zlib.compress(b"a" * 101))):
        with pytest.raises(UnpackedTooLargeError):
            unpack(packed, encoding, 100)


@pytest.mark.parametrize("parts", [1, 16])
def test_a_bomb_takes_no_more_memory_than_the_limit(parts: int) -> None:
    bomb = gzip.compress(b"\0" * (64 * LIMIT // parts)) * parts
    tracemalloc.start()
    try:
        with pytest.raises(UnpackedTooLargeError):
            unpack(bomb, "gzip", LIMIT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 6 * LIMIT


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"{}", "gzip"),
        (b"{}", "deflate"),
        (gzip.compress(b"{}")[:-4], "gzip"),
        (gzip.compress(b"{}") + b"garbage", "gzip"),
        (gzip.compress(b"") * 17, "gzip"),
        (zlib.compress(b"{}")[:-1], "deflate"),
        (b"{}", "br"),
        (b"{}", "zstd"),
        (gzip.compress(gzip.compress(b"{}")), "gzip, gzip"),
    ],
    ids=["no-gzip", "no-deflate", "cut", "garbage", "parts", "cut-deflate", "br", "zstd", "twice"],
)
def test_what_cannot_be_unpacked_is_refused_with_a_reason(data: bytes, encoding: str) -> None:
    with pytest.raises(BrokenEncodingError, match=r"\.$"):
        unpack(data, encoding, LIMIT)


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate"]))
def test_no_bytes_raise_anything_else(data: bytes, encoding: str) -> None:
    with contextlib.suppress(BrokenEncodingError, UnpackedTooLargeError):
        assert len(unpack(data, encoding, 1000)) <= 1000
