"""Reads a request's body within its bounds: bytes (as it came, and unpacked), seconds, and memory over all requests."""

import asyncio

import aiohttp
from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from trackpush_api.routing import Limits
from trackpush_server.receiver import answers
from trackpush_server.receiver.admission import Admission
from trackpush_server.receiver.answers import Answer
from trackpush_server.receiver.request import Request

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BROKEN = (web.RequestPayloadError, web.PayloadAccessError, aiohttp.ClientError, HttpProcessingError, ConnectionError)
"""What the stream of a body raises when it ended early, or is no valid chunks or gzip."""


class RefusedBodyError(Exception):
    """The body can't be taken; ``answer`` says why."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.code)
        self.answer = answer


def read_at_once(request: Request, limits: Limits) -> bytes | None:
    """The body when all of it came together with its head, as nearly all do; None when it has to be awaited.

    Raises:
        RefusedBodyError: it is too large, or broken.
    """
    content = request.content
    if not content.is_eof():
        return None
    try:
        body = content.read_nowait()
    except _BROKEN:
        raise RefusedBodyError(answers.INCOMPLETE) from None
    if len(body) > limits.max_body_bytes:
        raise RefusedBodyError(answers.too_large(limits.max_body_bytes))
    return body


async def read(request: Request, limits: Limits, admission: Admission) -> bytes:
    """The body as it arrives.

    Raises:
        RefusedBodyError: too large, too slow, incomplete, or too many bodies arrive at once.
    """
    if _announced(request) > limits.max_body_bytes:
        raise RefusedBodyError(answers.too_large(limits.max_body_bytes))
    if _waits_for_continue(request) and request.transport is not None:
        request.transport.write(_CONTINUE)
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_timeout):
            while chunk := await request.content.readany():
                if len(body) + len(chunk) > limits.max_body_bytes:
                    raise RefusedBodyError(answers.too_large(limits.max_body_bytes))
                if not admission.hold(len(chunk)):
                    raise RefusedBodyError(answers.TOO_MANY_BODIES)
                body += chunk
    except TimeoutError:
        raise RefusedBodyError(answers.SLOW_BODY) from None
    except _BROKEN:
        raise RefusedBodyError(answers.INCOMPLETE) from None
    finally:
        admission.release(len(body))
    return bytes(body)


def _waits_for_continue(request: Request) -> bool:
    """An HTTP/1.0 client does not know interim answers and would take it for the final one (RFC 9110 §10.1.1)."""
    return request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"


def _announced(request: Request) -> int:
    """The parser has refused what is no number."""
    return int(request.headers.get("Content-Length", "0"))
