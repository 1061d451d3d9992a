"""Heads of requests and answers: what is built once, Retry-After, and the excerpt that people see."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outbound.kit import post_once
from outbound.servers import Peer, always, polite, serve
from support.rows import every_row
from trackpush_api.headers import RESERVED
from trackpush_api.routing import Destination
from trackpush_server.outbound.excerpt import excerpt
from trackpush_server.outbound.port import Failure
from trackpush_server.outbound.request import build_head, build_request
from trackpush_server.outbound.retry_after import parse_retry_after
from trackpush_server.outbound.target import parse_target

URL = "https://oms.acme.example:8443/hook?k=v"


def head(*headers: tuple[str, str]) -> bytes:
    return build_head(Destination(name="acme/oms", url=URL, headers=headers), parse_target(URL))


def test_the_head_holds_everything_that_is_the_same_for_all_pushes() -> None:
    lines = head(("X-Acme-Key", "s-1")).decode().split("\r\n")
    assert lines[0] == "POST /hook?k=v HTTP/1.1"
    assert lines[1] == "Host: oms.acme.example:8443"
    assert "Content-Type: application/json" in lines
    assert "X-Acme-Key: s-1" in lines
    assert any(line.startswith("User-Agent: Trackpush/") for line in lines)
    assert lines[-1] == ""


def test_a_clients_header_replaces_the_default_of_the_same_name() -> None:
    built = head(("content-type", "application/vnd.acme+json"), ("USER-AGENT", "acme")).decode()
    assert "content-type: application/vnd.acme+json\r\n" in built
    assert "Content-Type" not in built
    assert "Trackpush/" not in built


def test_a_request_is_head_push_headers_length_and_body() -> None:
    assert build_request(b"POST / HTTP/1.1\r\n", b"a: b\r\n", b"{}") == (
        b"POST / HTTP/1.1\r\na: b\r\nContent-Length: 2\r\n\r\n{}"
    )


@every_row("value", ["s3cret\r\nX: y", "s3cret\n", "s3cret\r", "s3cret\0", "s3cret\x7f"])
def test_a_value_that_could_break_out_of_its_line_is_refused_and_never_shown(value: str) -> None:
    with pytest.raises(ValueError, match="PushConfig acme/oms: the value of header 'X-Key'") as caught:
        head(("X-Key", value))
    assert "s3cret" not in str(caught.value)


@every_row("name", ["", "X Key", "X-Key:", "X\r\nY", "Ü", *sorted(RESERVED), "CONTENT-length"])
def test_a_name_that_is_none_or_is_ours_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="PushConfig acme/oms"):
        head((name, "1"))


async def test_a_destination_with_a_bad_header_denies_its_own_pushes_only() -> None:
    async with serve(polite) as server:
        answer = await post_once(server.url, headers=(("X-Key", "s3cret\r\nX: y"),))
        assert answer.failure is Failure.DENIED
        assert answer.detail is not None
        assert "acme/oms" in answer.detail
        assert "s3cret" not in answer.detail
        assert server.accepted == 0


NOW = dt.datetime(1994, 11, 6, 8, 49, 7, tzinfo=dt.UTC).timestamp()


@every_row(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("1.5", 1.0),
        ("999999999", 999999999.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 30.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 30.0),
        ("Sun Nov  6 08:49:37 1994", 30.0),
        ("Sun, 06 Nov 1994 08:49:00 GMT", 0.0),
        ("Sun, 06 Nov 1994 09:49:37 +0100", 30.0),
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1e3", None),
        ("9999999999", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 99999 08:49:37 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOW) == seconds


@given(st.text(max_size=40) | st.from_regex(r"[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{1,6} \d\d:\d\d:\d\d .{0,6}"))
def test_any_retry_after_is_a_wait_or_nothing(value: str) -> None:
    seconds = parse_retry_after(value, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", 7.0),
        (b"HTTP/1.1 429 Slow\r\nrETRY-aFTER:7\r\nContent-Length: 0\r\n\r\n", 7.0),
        (b"HTTP/1.1 103 Hints\r\nRetry-After: 1\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 16\r\n\r\n\r\nRetry-After: 7", None),
        (b"HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nRetry-After: 7\r\n\r\n", None),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 2\r\nContent-Length: 2\r\nRetry-After: 7\r\n\r\nno", 7.0),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", None),
        (b"HTTP/1.1 200 OK\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n", None),
    ],
    ids=[
        "503",
        "any case",
        "not of an interim answer",
        "not of the body",
        "not of trailers",
        "framed twice",
        "none",
        "not of a 200",
    ],
)
@pytest.mark.parametrize("cut", [False, True], ids=["at once", "in pieces"])
async def test_retry_after_of_a_failure_is_reported(answer: bytes, seconds: float | None, cut: bool) -> None:  # noqa: FBT001
    pieces = tuple(answer[at : at + 9] for at in range(0, len(answer), 9)) if cut else (answer,)
    async with serve(always(*pieces)) as server:
        assert (await post_once(server.url)).retry_after == seconds


async def test_a_retry_after_in_time_of_day_counts_from_now() -> None:
    later = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=90)
    date = later.strftime("%a, %d %b %Y %H:%M:%S GMT").encode()
    answer = b"HTTP/1.1 503 Busy\r\nRetry-After: " + date + b"\r\nContent-Length: 0\r\n\r\n"
    async with serve(always(answer)) as server:
        assert (await post_once(server.url)).retry_after == pytest.approx(89, abs=2)


def failing(body: bytes) -> bytes:
    return b"HTTP/1.1 422 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


async def test_the_detail_of_a_failure_is_the_start_of_its_body_in_one_printable_line() -> None:
    async with serve(
        always(failing(b"no such\r\n\torder \x1b[31m\x00" + "größer".encode() + b" " * 9 + b"x" * 900))
    ) as server:
        answer = await post_once(server.url)
        assert answer.detail is not None
        assert answer.detail.startswith("no such order [31m größer xxx")
        assert len(answer.detail) == 200


async def test_the_detail_of_a_success_is_empty() -> None:
    async with serve(polite) as server:
        assert (await post_once(server.url)).detail is None


async def test_what_a_server_repeats_of_our_request_is_not_told() -> None:
    async def echo(peer: Peer) -> None:
        request = await peer.request()
        await peer.send(failing(b'{"error": "bad", "seen": ' + request[-40:] + b"}"))

    body = b'{"awb": "19000000000042", "phone": "9876543210", "name": "A. Person"}'
    async with serve(echo) as server:
        detail = (await post_once(server.url, body=body)).detail
        assert detail is not None
        assert detail.startswith('{"error": "bad", "seen": ')
        assert "9876543210"[:6] not in detail
        assert "Person" not in detail


async def test_a_header_value_in_an_answer_is_masked() -> None:
    async with serve(always(failing(b"unknown key s3cr3t-token and s3cr3t"))) as server:
        headers = (("Authorization", "Bearer s3cr3t-token"), ("X-Key", "s3cr3t"), ("X-Mode", "on"))
        answer = await post_once(server.url, headers=headers)
        assert answer.detail == "unknown key *** and ***"


def test_a_secret_that_is_cut_off_is_masked_too() -> None:
    secret = "0123456789abcdef"
    for kept in range(4, 16):
        body = b" " * (400 - kept) + secret.encode()
        assert excerpt(body, b"", (secret,)) == "***", kept


@given(st.binary(max_size=500), st.binary(max_size=200), st.binary(max_size=100))
def test_an_excerpt_never_holds_a_long_run_of_the_request(request: bytes, before: bytes, after: bytes) -> None:
    text = excerpt(before + request + after, b"head: " + request)
    assert text is None or (len(text) <= 200 and text.isprintable())


@given(st.text("abcdefghij", min_size=60, max_size=300), st.text("klmnop", max_size=100), st.data())
def test_an_excerpt_ends_before_it_repeats_the_request(request: str, before: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(request) - 30))
    text = excerpt((before + request[start:]).encode(), request.encode())
    shown = "" if text is None else text.replace("… (repeats our request)", "").strip()
    assert len(set(shown) & set("abcdefghij")) == 0 or len(before) > 370
