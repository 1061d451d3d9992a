"""Heads that frame the body twice: with Transfer-Encoding and Content-Length, or with several lengths. Pure.

The parser refuses such heads, as a proxy must: otherwise it could pass on bytes that the next server reads as another
message. But a response to a push is not passed on. Its head has the push's result, and the connection is not used
again.
"""

import re

_END = re.compile(rb"\r?\n\r?\n")
_LENGTH = b"content-length"
_ENCODING = b"transfer-encoding"


def is_about_framing(error: Exception) -> bool:
    """Whether the parser refused the head because of its framing."""
    return "Content-Length" in str(error)


def complete_head(data: bytes) -> bytes | None:
    """The bytes up to the end of the final response's head, including interim responses; None if it is incomplete."""
    start = 0
    while (end := _END.search(data, start)) is not None:
        if not re.match(rb"HTTP/1\.[01] 1\d\d\b", data[start:]):
            return data[: end.end()]
        start = end.end()
    return None


def framed_once(head: bytes) -> bytes | None:
    """The same head with one framing; None if its lengths differ or are not numbers."""
    lines = head.split(b"\n")
    lengths = {part.strip() for line in lines if _name(line) == _LENGTH for part in _value(line).split(b",")}
    if not all(length.isdigit() for length in lengths):
        return None
    is_encoded = any(_name(line) == _ENCODING for line in lines)
    if len(lengths) > 1 and not is_encoded:
        return None
    kept = [line for line in lines if _name(line) != _LENGTH]
    if not is_encoded:
        kept[-2:-2] = [b"Content-Length: " + length + b"\r" for length in lengths]
    return b"\n".join(kept)


def _name(line: bytes) -> bytes:
    return line.partition(b":")[0].strip().lower()


def _value(line: bytes) -> bytes:
    return line.partition(b":")[2]
