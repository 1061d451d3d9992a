"""The excerpt of a response's body for people: one printable line, without parts of the request.

Debug pages often show the failed request. Parts of it (header values are secrets, bodies contain personal data) must
not reach the journal or the logs.
"""

from collections.abc import Iterable

from trackpush_server.outbound.spellings import spans

MAX_BODY = 400
"""Maximum bytes of a body that an excerpt uses."""
_MAX_EXCERPT = 200
_RUN = 20
_STRIDE = 4
_MAX_REQUEST = 64 * 1024
_SHORTEST_SECRET = 4
_MASK = b"***"


def excerpt(body: bytes, request: bytes, secrets: Iterable[str] = ()) -> str | None:
    """The first 200 characters of the body, printable, in one line; None when nothing is left.

    It ends where the body starts to repeat the request (23 bytes or more). Each secret is masked in any spelling.
    """
    body = body[:MAX_BODY]
    repeated = _repetition(body, request[:_MAX_REQUEST])
    text = _mask(body if repeated is None else body[:repeated], secrets).decode("utf-8", "replace")
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if repeated is not None:
        line = f"{line} … (repeats our request)".lstrip()
    return line[:_MAX_EXCERPT] or None


def _mask(text: bytes, secrets: Iterable[str]) -> bytes:
    found: list[tuple[int, int]] = []
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            found += spans(text, secret.encode("utf-8", "surrogateescape"), shortest=_SHORTEST_SECRET)
    for start, stop in reversed(_merged(found)):
        text = text[:start] + _MASK + text[stop:]
    return text


def _merged(found: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(found):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop))
        else:
            merged.append((start, stop))
    return merged


def _repetition(body: bytes, request: bytes) -> int | None:
    for start in range(0, len(body) - _RUN + 1, _STRIDE):
        if body[start : start + _RUN] in request:
            return max(start - _STRIDE + 1, 0)
    return None
