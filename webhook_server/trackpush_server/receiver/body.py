"""Reads a request's body within limits: bytes (compressed and decompressed), seconds, and memory of all requests."""

import asyncio
import contextlib
from collections.abc import Iterator

import aiohttp
from aiohttp import HttpVersion11, web
from aiohttp.http_exceptions import HttpProcessingError

from trackpush_api.routing import Limits
from trackpush_server.receiver import answers
from trackpush_server.receiver.admission import AdmissionShare, ArrivingBody
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.compression import BrokenEncodingError, UnpackedTooLargeError, unpack
from trackpush_server.receiver.request import Request

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_BROKEN = (web.RequestPayloadError, web.PayloadAccessError, aiohttp.ClientError, HttpProcessingError, ConnectionError)
"""The exceptions of a body's stream that ended early or has invalid chunks."""


class RefusedBodyError(Exception):
    """The body is refused; ``answer`` says why."""

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.code)
        self.answer = answer


class TooLargeBodyError(RefusedBodyError):
    """The body is larger than the limit."""


class DroppedBodyError(Exception):
    """The body arrived too slowly, and other bodies needed its memory."""


def read_at_once(request: Request, limits: Limits) -> bytes | None:
    """The compressed body, if it arrived together with its head, as most bodies do; None if it must be awaited.

    Raises:
        RefusedBodyError: it is too large or invalid.
    """
    content = request.content
    if not content.is_eof():
        return None
    try:
        body = content.read_nowait()
    except _BROKEN:
        raise RefusedBodyError(answers.INCOMPLETE) from None
    _check_size(len(body), limits)
    return body


async def read(request: Request, limits: Limits, share: AdmissionShare) -> bytes:
    """Wait for the compressed body; ``share`` limits the bodies that arrive at the same time.

    Raises:
        RefusedBodyError: the body is too large, too slow or incomplete, or too many bodies arrive at the same time.
    """
    with entered(request, limits, share) as arriving:
        return await received(request, limits, arriving)


async def read_and_hold(request: Request, limits: Limits, arriving: ArrivingBody) -> bytes:
    """The compressed body, which counts in its share until the caller releases it.

    Raises:
        RefusedBodyError: see `read`.
    """
    body = read_at_once(request, limits)
    if body is None:
        body = await received(request, limits, arriving)
    else:
        hold(arriving, len(body))
    arriving.complete = True
    return body


@contextlib.contextmanager
def entered(request: Request, limits: Limits, share: AdmissionShare) -> Iterator[ArrivingBody]:
    """A body of this share, counted until the block ends."""
    content = request.content
    arriving = share.enter(request.peer, limits.max_body_bytes, lambda: content.set_exception(DroppedBodyError()))
    try:
        yield arriving
    finally:
        arriving.release()


async def received(request: Request, limits: Limits, arriving: ArrivingBody) -> bytes:
    """The compressed body, awaited.

    Raises:
        RefusedBodyError: see `read`.
    """
    _check_size(_announced(request), limits)
    if _waits_for_continue(request) and request.transport is not None:
        request.transport.write(_CONTINUE)
    body = bytearray()
    content = request.content
    try:
        async with asyncio.timeout(limits.body_timeout):
            while chunk := await content.readany():
                _check_size(len(body) + len(chunk), limits)
                hold(arriving, len(chunk))
                body += chunk
    except TimeoutError:
        raise RefusedBodyError(answers.SLOW_BODY) from None
    except DroppedBodyError:
        raise RefusedBodyError(answers.TOO_MANY_BODIES) from None
    except _BROKEN:
        raise RefusedBodyError(answers.INCOMPLETE) from None
    return bytes(body)


def hold(arriving: ArrivingBody, size: int) -> None:
    """Count bytes of a body.

    Raises:
        RefusedBodyError: its share has no room for them.
    """
    if not arriving.hold(size):
        raise RefusedBodyError(answers.TOO_MANY_BODIES)


def unpacked(request: Request, body: bytes, limits: Limits) -> bytes:
    """The body without its Content-Encoding.

    Raises:
        RefusedBodyError: it is too large or invalid.
    """
    found = unpacked_within(request, body, limits.max_body_bytes)
    if found is None:
        raise TooLargeBodyError(answers.too_large(limits.max_body_bytes))
    return found


def unpacked_within(request: Request, body: bytes, most: int) -> bytes | None:
    """The body without its Content-Encoding; None if that is larger than ``most`` bytes.

    Raises:
        RefusedBodyError: it is invalid.
    """
    encoding = request.headers.get("Content-Encoding")
    if not encoding:
        return body if len(body) <= most else None
    try:
        return unpack(body, encoding, most)
    except UnpackedTooLargeError:
        return None
    except BrokenEncodingError as error:
        raise RefusedBodyError(answers.malformed(str(error))) from None


def _check_size(size: int, limits: Limits) -> None:
    if size > limits.max_body_bytes:
        raise TooLargeBodyError(answers.too_large(limits.max_body_bytes))


def _waits_for_continue(request: Request) -> bool:
    """Whether to send ``100 Continue``. HTTP/1.0 clients would take it for the final answer (RFC 9110 §10.1.1)."""
    return request.version >= HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue"


def _announced(request: Request) -> int:
    """The Content-Length. The parser has already refused a value that is not a number."""
    return int(request.headers.get("Content-Length", "0"))
