"""Decompresses a body by its Content-Encoding. Pure.

Decompression stops at the limit, so that a small body can't use much memory or time.
"""

import zlib
from typing import Final

_GZIP = zlib.MAX_WBITS | 16
_MOST_MEMBERS = 16
"""Maximum parts of a gzip body. RFC 1952 §2.2 allows any number, and each part costs time even if it is empty."""
_ZLIB_METHOD: Final = 8

ENCODINGS: Final = ("gzip", "x-gzip", "deflate", "identity")


class BrokenEncodingError(Exception):
    """The body is invalid in its Content-Encoding, or this is not supported. The message is for the sender."""


class UnpackedTooLargeError(Exception):
    """The decompressed body is larger than the limit."""


def unpack(data: bytes, encoding: str, limit: int) -> bytes:
    """The decompressed body, at most ``limit`` bytes.

    Raises:
        UnpackedTooLargeError: the result would be larger.
        BrokenEncodingError: the body is invalid, or the encoding is not supported.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return data
    try:
        if name in {"gzip", "x-gzip"}:
            return _gunzip(data, limit)
        if name == "deflate":
            return _inflate(data, limit)
    except zlib.error:
        raise BrokenEncodingError(f"The Content-Encoding is {name}, but the body is not valid {name}.") from None
    raise BrokenEncodingError(f"This Content-Encoding is not supported. Use one of: {', '.join(ENCODINGS)}.")


def _gunzip(data: bytes, limit: int) -> bytes:
    unpacked = bytearray()
    for _ in range(_MOST_MEMBERS):
        inflater = zlib.decompressobj(wbits=_GZIP)
        part = inflater.decompress(data, limit - len(unpacked) + 1)
        _check(inflater, len(unpacked) + len(part), limit)
        data = inflater.unused_data.lstrip(b"\0")  # padding is allowed after the last part
        if not data and not unpacked:
            return part  # nearly always the only part: avoid a copy, which takes as long as decompressing
        unpacked += part
        if not data:
            return bytes(unpacked)
    raise BrokenEncodingError(f"The body has more than {_MOST_MEMBERS} gzip parts.")


def _inflate(data: bytes, limit: int) -> bytes:
    """Decompress with or without a zlib header, because senders use both (RFC 9110 §8.4.1.2)."""
    has_header = data[:1] and data[0] & 15 == _ZLIB_METHOD and int.from_bytes(data[:2], "big") % 31 == 0
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS if has_header else -zlib.MAX_WBITS)
    unpacked = inflater.decompress(data, limit + 1)
    _check(inflater, len(unpacked), limit)
    return unpacked


def _check(inflater: "zlib._Decompress", size: int, limit: int) -> None:
    if size > limit:
        raise UnpackedTooLargeError
    if not inflater.eof:
        raise BrokenEncodingError("The compressed body ends early.")
