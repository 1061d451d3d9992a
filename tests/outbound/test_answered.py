"""Answers as people see them: the final head, in any form, bounded, and without secrets."""

from support.rows import every_row
from trackpush_server.outbound.answered import MOST_HEADERS, Said, show

HEADS: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "one": (b"HTTP/1.1 200 OK\r\nA: 1\r\nB:2\r\n\r\nbody: x", [("A", "1"), ("B", "2")]),
    "an interim response": (b"HTTP/1.1 100 Continue\r\nX: 1\r\n\r\nHTTP/1.1 200 OK\r\nA: 1\r\n\r\n", [("A", "1")]),
    "bare line feeds": (b"HTTP/1.1 200 OK\nA: 1\n\n", [("A", "1")]),
    "no headers": (b"HTTP/1.1 204 No Content\r\n\r\n", []),
    "cut off": (b"HTTP/1.1 200 OK\r\nA: 1\r\nB: 2", [("A", "1"), ("B", "2")]),
    "a cookie": (b"HTTP/1.1 200 OK\r\nSET-COOKIE: s=1\r\n\r\n", [("SET-COOKIE", "•••")]),
    "a secret": (b"HTTP/1.1 200 OK\r\nA: is hunter2\r\n\r\n", [("A", "is ***")]),
    "controls": (b"HTTP/1.1 200 OK\r\nA: \x1b[31mx\r\n\r\n", [("A", "[31mx")]),
    "nothing": (b"", []),
}


@every_row(("name", "case"), HEADS.items())
def test_the_headers_of_the_final_response_are_shown(name: str, case: tuple[bytes, list[tuple[str, str]]]) -> None:
    del name
    head, headers = case
    said = Said(head=head, body=b"hello hunter2", request=b"POST / HTTP/1.1\r\n", secrets=("hunter2",))
    assert list(show(said).headers) == headers
    assert show(said).excerpt == "hello ***"


def test_many_headers_are_cut() -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(b"H%d: 1\r\n" % number for number in range(100)) + b"\r\n"
    assert len(show(Said(head=head, body=b"", request=b"", secrets=())).headers) == MOST_HEADERS


def test_a_header_that_repeats_the_request_is_cut() -> None:
    request = b"POST / HTTP/1.1\r\nAuthorization: Bearer a-token-that-no-one-may-see\r\n"
    head = b"HTTP/1.1 200 OK\r\nA: Bearer a-token-that-no-one-may-see\r\n\r\n"
    (header,) = show(Said(head=head, body=b"", request=request, secrets=())).headers
    assert "token-that" not in header[1]
