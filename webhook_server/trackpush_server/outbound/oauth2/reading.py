"""Reads the response of a token endpoint strictly (RFC 6749, sections 5.1 and 5.2). Pure.

A successful response is never shown, because it contains the token, which must not reach a log.
"""

import re
from typing import Any

import msgspec

from trackpush_server.outbound.excerpt import excerpt
from trackpush_server.outbound.oauth2.token import Grant
from trackpush_server.outbound.port import Answer, Failure

_TOKEN = re.compile(r"[\x21-\x7e]{1,16384}")
_NUMBER = re.compile(r"\d{1,12}(\.\d{0,12})?")
_ERRORS = frozenset(
    {
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
"""The error codes of RFC 6749 and RFC 8707, which may be shown to anyone."""


def token_failure(
    cause: str, detail: str = "", *, retry_after: float | None = None, is_permanent: bool = False
) -> Answer:
    """The answer of a push for which there is no token. ``cause`` is our own text, ``detail`` the endpoint's."""
    text = f"{cause}: {detail}" if detail else cause
    return Answer(failure=Failure.TOKEN, cause=cause, detail=text, retry_after=retry_after, is_permanent=is_permanent)


def read_grant(content: bytes) -> Grant | Answer:
    """The token in a successful response, or the reason why there is none."""
    answer = _object(content)
    if answer is None:
        return _invalid("it is not a JSON object")
    token, kind = answer.get("access_token"), answer.get("token_type")
    if not isinstance(token, str) or not token:
        return _invalid("it has no access_token")
    if not _TOKEN.fullmatch(token):
        return _invalid("its access_token is too long or has characters that no header may contain")
    # RFC 6749, section 5.1, requires token_type; some servers omit it and mean Bearer.
    if kind is not None and (not isinstance(kind, str) or kind.lower() != "bearer"):
        return _invalid("its token_type is not Bearer, which is the only supported type")
    return Grant(access_token=token, expires_in=_seconds(answer.get("expires_in")))


def read_refusal(
    status: int, content: bytes, *, request: bytes, secrets: tuple[str, ...], retry_after: float | None
) -> Answer:
    """The answer for an error response, without quotes of the request and without secrets."""
    answer = _object(content) or {}
    code = answer.get("error")
    known = code if isinstance(code, str) and code in _ERRORS else None
    description = answer.get("error_description")
    said = description.encode() if known and isinstance(description, str) else b"" if known else content
    detail = "redirects are not followed" if 300 <= status < 400 else excerpt(said, request, secrets)  # noqa: PLR2004
    cause = f"HTTP {status} {known}" if known else f"HTTP {status}"
    return token_failure(cause, detail or "", retry_after=retry_after)


def _invalid(why: str) -> Answer:
    return token_failure("invalid answer", f"the token endpoint's response can't be used: {why}")


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        decoded = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return decoded if isinstance(decoded, dict) else None


def _seconds(value: object) -> float | None:
    """``expires_in`` as seconds; some servers send it as a string. An unreadable value counts as missing."""
    text = str(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else ""
    return float(text) if _NUMBER.fullmatch(text) else None
