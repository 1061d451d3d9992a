"""The excerpt of an answer's body that is shown to people: one printable line, without anything that we sent.

Debug pages love to show the request that failed. What they repeat of it (header values are secrets, bodies hold
personal data) must not reach the journal or the logs.
"""

from collections.abc import Iterable

MAX_BODY = 400
"""Bytes of a body that an excerpt may need."""
_MAX_EXCERPT = 200
_RUN = 20
_STRIDE = 4
_MAX_REQUEST = 64 * 1024
_SHORTEST_SECRET = 4
_MASK = "***"


def excerpt(body: bytes, request: bytes, secrets: Iterable[str] = ()) -> str | None:
    """The first 200 characters of the body, printable, in one line; None when nothing is left.

    It ends where the body begins to repeat the request (a run of 23 bytes or more); each of the secrets is masked.
    """
    body = body[:MAX_BODY]
    repeated = _repetition(body, request[:_MAX_REQUEST])
    text = (body if repeated is None else body[:repeated]).decode("utf-8", "replace")
    for secret in sorted(secrets, key=len, reverse=True):  # one may begin with another
        text = _mask(text, secret)
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if repeated is not None:
        line = f"{line} … (repeats our request)".lstrip()
    return line[:_MAX_EXCERPT] or None


def _mask(text: str, secret: str) -> str:
    if len(secret) < _SHORTEST_SECRET:
        return text
    text = text.replace(secret, _MASK)
    for length in range(min(len(secret) - 1, len(text)), _SHORTEST_SECRET - 1, -1):
        if text.endswith(secret[:length]):  # the rest of it was cut off
            return text[:-length] + _MASK
    return text


def _repetition(body: bytes, request: bytes) -> int | None:
    for start in range(0, len(body) - _RUN + 1, _STRIDE):
        if body[start : start + _RUN] in request:
            return max(start - _STRIDE + 1, 0)
    return None
