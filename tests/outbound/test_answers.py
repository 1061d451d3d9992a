"""What every transport makes of the bytes that servers send: ours and aiohttp's client against the same table."""

from typing import NamedTuple

import pytest

from outbound.kit import BODY, BOTH, OURS, PUSH_HEADERS, open_sender
from outbound.servers import always, serve
from support.rows import every_row
from trackpush_server.outbound.port import Failure

Expected = int | Failure


class Case(NamedTuple):
    """Bytes of an answer and what they come to. The test posts twice."""

    pieces: tuple[bytes, ...]
    expected: Expected
    reused: bool
    """Whether the second post takes the same connection."""
    then: str = "keep"
    oracle: tuple[Expected, bool] | None = None
    """What aiohttp makes of it, where it differs."""
    why: str = ""
    """Why it may differ."""


_AT_ONCE = "aiohttp forgets the status when what follows it is bad and comes in the same read; the client has answered"

_FRAMED_TWICE = "aiohttp refuses what a proxy must not pass on; to us the head says that the client has the push"


def head(*lines: str) -> bytes:
    return "".join(f"{line}\r\n" for line in ("HTTP/1.1 200 OK", *lines, "")).encode()


def _framed_twice(*pieces: bytes) -> Case:
    return Case(pieces, 200, reused=False, oracle=(Failure.PROTOCOL, False), why=_FRAMED_TWICE)


CASES = {
    "content-length": Case((head("Content-Length: 2") + b"ok",), 200, reused=True),
    "byte by byte": Case(tuple(bytes([byte]) for byte in head("Content-Length: 2") + b"ok"), 200, reused=True),
    "no reason phrase": Case((b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",), 200, reused=True),
    "empty reason phrase": Case((b"HTTP/1.1 202 \r\nContent-Length: 0\r\n\r\n",), 202, reused=True),
    "chunked": Case((head("Transfer-Encoding: chunked"), b"2\r\nok\r\n", b"0\r\n\r\n"), 200, reused=True),
    "chunked with extensions and trailers": Case(
        (head("Transfer-Encoding: chunked"), b'2;a=b;c="d"\r\nok\r\n0\r\nX-Checksum: 1\r\nX-More: 2\r\n\r\n'),
        200,
        reused=True,
    ),
    "broken chunk after a good head": Case(
        (head("Transfer-Encoding: chunked"), b"zz\r\nok\r\n"),
        200,
        reused=False,
        oracle=(Failure.PROTOCOL, False),
        why=_AT_ONCE,
    ),
    "close-delimited": Case((head(), b"o", b"k"), 200, reused=False, then="close"),
    "close-delimited, empty": Case((head(),), 200, reused=False, then="close"),
    "100 first": Case((b"HTTP/1.1 100 Continue\r\n\r\n", head("Content-Length: 0")), 200, reused=True),
    "102, 103 first, in one piece": Case(
        (b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + head("Content-Length: 0"),),
        200,
        reused=True,
    ),
    "interim answers for ever": Case(
        (b"HTTP/1.1 102 Processing\r\nX: " + b"x" * 1000 + b"\r\n\r\n",) * 80,
        Failure.PROTOCOL,
        reused=False,
        then="close",
        oracle=(Failure.RESET, False),
        why="aiohttp reads interim answers without a bound, until the connection ends",
    ),
    "101 that nobody asked for": Case(
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",),
        Failure.PROTOCOL,
        reused=False,
        oracle=(101, False),
        why="aiohttp leaves an upgrade to its caller",
    ),
    "200 that offers an upgrade": Case(
        (head("Upgrade: h2,h2c", "Connection: Upgrade", "Content-Length: 0"),), 200, reused=True
    ),
    "204": Case((b"HTTP/1.1 204 No Content\r\n\r\n",), 204, reused=True),
    "204 with a false length": Case((b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",), 204, reused=True),
    "204 with a body": Case(
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",),
        204,
        reused=False,
        oracle=(Failure.PROTOCOL, False),
        why=_AT_ONCE,
    ),
    "304 with a length": Case((b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",), 304, reused=True),
    "redirect": Case(
        (b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",), 307, reused=True
    ),
    "connection: close": Case((head("Connection: close", "Content-Length: 2") + b"ok",), 200, reused=False),
    "HTTP/1.0": Case((b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",), 200, reused=False),
    "HTTP/1.0 keep-alive": Case(
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",), 200, reused=True
    ),
    "bare line feeds": Case((b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",), 200, reused=True),
    "header value beyond ASCII": Case(
        ("HTTP/1.1 200 OK\r\nX-Ü: é\r\nContent-Length: 0\r\n\r\n".encode(),), Failure.PROTOCOL, reused=False
    ),
    "more bytes than the answer": Case(
        (head("Content-Length: 2") + b"ok" + b"more",),
        200,
        reused=False,
        oracle=(Failure.PROTOCOL, False),
        why=_AT_ONCE,
    ),
    "a second answer": Case((head("Content-Length: 2") + b"ok" + head("Content-Length: 0"),), 200, reused=False),
    "a blank line after the body": Case((head("Content-Length: 2") + b"ok\r\n",), 200, reused=True),
    "body shorter than its length, then closed": Case(
        (head("Content-Length: 100") + b"ok",), 200, reused=False, then="close"
    ),
    "body cut by RST": Case((head("Content-Length: 100") + b"ok",), 200, reused=False, then="reset"),
    "a body of a megabyte": Case((head("Content-Length: 1000000"), b"x" * 1_000_000), 200, reused=False),
    "status 999": Case((b"HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n",), 999, reused=True),
    "status 000": Case(
        (b"HTTP/1.1 000 None\r\nContent-Length: 0\r\n\r\n",),
        Failure.PROTOCOL,
        reused=False,
        oracle=(0, True),
        why="aiohttp takes any three digits",
    ),
    "status of four digits": Case((b"HTTP/1.1 2000 OK\r\n\r\n",), Failure.PROTOCOL, reused=False),
    "status that is no number": Case((b"HTTP/1.1 abc OK\r\n\r\n",), Failure.PROTOCOL, reused=False),
    "HTTP/2": Case(
        (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",),
        Failure.PROTOCOL,
        reused=False,
        oracle=(200, False),
        why="aiohttp doesn't look at the version",
    ),
    "not HTTP": Case((b"SSH-2.0-OpenSSH_9.6\r\n",), Failure.PROTOCOL, reused=False),
    "HTML without a head": Case((b"<html>hello</html>\r\n\r\n",), Failure.PROTOCOL, reused=False, then="close"),
    "malformed header": Case((head("No Colon Here"),), Failure.PROTOCOL, reused=False),
    "two lengths that differ": Case(
        (head("Content-Length: 2", "Content-Length: 3") + b"ok",), Failure.PROTOCOL, reused=False
    ),
    "length and chunked": _framed_twice(head("Content-Length: 2", "Transfer-Encoding: chunked") + b"0\r\n\r\n"),
    "chunked and length": _framed_twice(head("Transfer-Encoding: chunked", "Content-Length: 5") + b"0\r\n"),
    "chunked and two lengths": _framed_twice(
        head("Transfer-Encoding: chunked", "Content-Length: 5", "Content-Length: 6") + b"0\r\n\r\n"
    ),
    "two equal lengths": _framed_twice(head("Content-Length: 2", "content-length:2") + b"ok"),
    "a list of equal lengths": _framed_twice(head("Content-Length: 2, 2") + b"ok"),
    "two equal lengths, no body": _framed_twice(head("Content-Length: 0", "Content-Length: 0")),
    "two equal lengths, bare line feeds": _framed_twice(
        b"HTTP/1.1 200 OK\nContent-Length: 2\nContent-Length: 2\nX: y\n\nok"
    ),
    "two equal lengths, byte by byte": _framed_twice(
        *(bytes([byte]) for byte in head("Content-Length: 2", "Content-Length: 2", "X: y") + b"ok")
    ),
    "chunked and length after interim answers": _framed_twice(
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
        + head("Transfer-Encoding: chunked", "Content-Length: 5")
        + b"0\r\n\r\n",
    ),
    "identity and length": _framed_twice(head("Transfer-Encoding: identity", "Content-Length: 2") + b"ok"),
    "two equal lengths of a rejection": Case(
        (b"HTTP/1.1 422 No\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nno",),
        422,
        reused=False,
        oracle=(Failure.PROTOCOL, False),
        why=_FRAMED_TWICE,
    ),
    "two equal lengths in a head that never ends": Case(
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n",),
        Failure.RESET,
        reused=False,
        then="close",
        oracle=(Failure.PROTOCOL, False),
        why=_FRAMED_TWICE,
    ),
    "chunked and a length that is no number": Case(
        (head("Transfer-Encoding: chunked", "Content-Length: two") + b"0\r\n\r\n",), Failure.PROTOCOL, reused=False
    ),
    "length that is no number": Case((head("Content-Length: two") + b"ok",), Failure.PROTOCOL, reused=False),
    "a head of a megabyte": Case(
        (head(*(f"X-{number}: {'x' * 1000}" for number in range(1000)), "Content-Length: 0"),),
        Failure.PROTOCOL,
        reused=False,
    ),
    "one header line of a megabyte": Case(
        (head("X: " + "x" * 1_000_000, "Content-Length: 0"),), Failure.PROTOCOL, reused=False
    ),
    "closed without an answer": Case((), Failure.RESET, reused=False, then="close"),
    "RST without an answer": Case((), Failure.RESET, reused=False, then="reset"),
    "closed in the middle of the head": Case((b"HTTP/1.1 200 O",), Failure.RESET, reused=False, then="close"),
    "closed in the middle of a header": Case((b"HTTP/1.1 200 OK\r\nConte",), Failure.RESET, reused=False, then="close"),
    "RST in the middle of the head": Case((b"HTTP/1.1 200 OK\r\n",), Failure.RESET, reused=False, then="reset"),
    "closed after an interim answer": Case(
        (b"HTTP/1.1 100 Continue\r\n\r\n",), Failure.RESET, reused=False, then="close"
    ),
}


@pytest.mark.parametrize("which", BOTH)
@every_row("name", CASES)
async def test_an_answer_comes_to_what_it_says(name: str, which: str) -> None:
    case = CASES[name]
    expected, reused = (case.expected, case.reused) if which == OURS or case.oracle is None else case.oracle
    async with serve(always(*case.pieces, then=case.then)) as server, open_sender(server.url, which=which) as sender:
        for _ in range(2):
            answer = await sender.post(PUSH_HEADERS, BODY)
            assert (answer.failure or answer.status) == expected, answer
        assert server.accepted == (1 if reused else 2)
        assert len(server.requests) == 2
