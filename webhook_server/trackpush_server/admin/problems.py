"""Errors as problem documents of RFC 9457 (application/problem+json)."""

from http import HTTPStatus

import msgspec
from aiohttp import web


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True):
    """The error of a request, as RFC 9457 defines it."""

    type: str = "about:blank"
    title: str
    """The HTTP status in words."""
    status: int
    detail: str
    """For people: what is wrong, and what to do."""


class ProblemError(Exception):
    """Makes the API answer the request with this problem."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


def problem(status: int, detail: str) -> web.Response:
    content = ProblemDetails(title=HTTPStatus(status).phrase, status=status, detail=detail)
    return web.Response(
        body=msgspec.json.encode(content) + b"\n", status=status, content_type="application/problem+json"
    )
