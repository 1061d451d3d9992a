"""Checks a request's head before its body is read, because aiohttp's parser is too lenient. Pure."""

from typing import NamedTuple

from aiohttp import HttpVersion10, HttpVersion11

from trackpush_server.receiver import answers
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.request import Request
from trackpush_server.receiver.routes import is_valid_host

_VERSIONS = (HttpVersion11, HttpVersion10)
_LINE_ENDS = (b" HTTP/1.1", b" HTTP/1.0")


class RequestTarget(NamedTuple):
    """The target of a request, not decoded."""

    host: str
    path: str
    query: str


def has_http_1_line(line: bytes) -> bool:
    """Whether a request line ends in ``HTTP/1.1`` or ``HTTP/1.0``; the parser also takes ``RTSP/1.0`` and others."""
    return line.rstrip(b"\r").endswith(_LINE_ENDS)


def target_of(request: Request) -> RequestTarget:
    """Host, path and query.

    An absolute URL in the request line takes precedence over the Host header (RFC 9112 §3.2.2).
    """
    host, target = request.headers.get("Host", ""), request.target
    if not target.startswith("/"):
        scheme, _, rest = target.partition("://")
        authority, slash, path = rest.partition("/")
        if scheme.lower() in {"http", "https"}:
            host = authority
        target = slash + path or "/"
    path, _, query = target.partition("?")
    return RequestTarget(host, path, query.partition("#")[0])


def refusal(request: Request, host: str) -> Response | None:
    """The answer to an invalid head; None if the head is valid."""
    if not request.target:
        return answers.BAD_REQUEST
    if request.version not in _VERSIONS:
        return answers.HTTP_VERSION
    if request.headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        return answers.TRANSFER_CODING
    return None if is_valid_host(host) else answers.BAD_HOST
