"""How transports use their connections: reuse, retry, time-outs, bounds, closing."""

import asyncio
import socket

import pytest

from outbound.kit import BODY, BOTH, PUSH_HEADERS, open_sender, post_once
from outbound.servers import OK, Peer, polite, serve, silent
from support.deadline import until
from trackpush_server.outbound import connection as connection_module
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.outbound.transport import HttpSender

BIG = b"x" * 8_000_000
both = pytest.mark.parametrize("which", BOTH)


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@both
async def test_a_push_arrives_with_the_destinations_headers_its_own_and_the_body(which: str) -> None:
    async with serve(polite) as server:
        headers = (("X-Acme-Key", "s-1"), ("X-Source", "rms"))
        answer = await post_once(server.url + "/a%20b?q=1&r=%C3%A4", which=which, headers=headers)
        assert answer.status == 200
        head, _, body = server.requests[0].partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        assert line == b"POST /hook/a%20b?q=1&r=%C3%A4 HTTP/1.1"
        assert body == BODY
        named = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
        assert (
            named.items()
            >= {
                b"host": f"127.0.0.1:{server.port}".encode(),
                b"content-type": b"application/json",
                b"content-length": str(len(BODY)).encode(),
                b"x-acme-key": b"s-1",
                b"x-source": b"rms",
                b"webhook-id": b"psh_1",
            }.items()
        )
        assert len(named) == len(lines), "no header twice"


@both
async def test_a_thousand_exchanges_share_as_many_connections_as_are_allowed(which: str) -> None:
    async with serve(polite) as server, open_sender(server.url, which=which, max_concurrency=8) as sender:
        answers = await asyncio.gather(*(sender.post(PUSH_HEADERS, b"%d" % number) for number in range(1000)))
        assert {answer.status for answer in answers} == {200}
        assert server.accepted == 8
        assert {request.rpartition(b"\r\n\r\n")[2] for request in server.requests} == {b"%d" % n for n in range(1000)}


@both
async def test_attempts_at_once_stay_within_the_bound_and_the_others_wait_without_losing_time(which: str) -> None:
    gate = asyncio.Event()

    async def gated(peer: Peer) -> None:
        while True:
            await peer.request()
            await gate.wait()
            await peer.send(OK)

    async with serve(gated) as server, open_sender(server.url, which=which, max_concurrency=3) as sender:
        posts = [sender.post(PUSH_HEADERS, BODY) for _ in range(10)]
        await until(lambda: len(server.requests) == 3, seconds=5, what="three requests")
        gate.set()
        assert {answer.status for answer in await asyncio.gather(*posts)} == {200}
        assert server.most_open == 3


async def test_time_spent_waiting_for_a_connection_is_not_part_of_the_attempt() -> None:
    async def slowly(peer: Peer) -> None:
        while True:
            await peer.request()
            await asyncio.sleep(0.1)
            await peer.send(OK)

    async with serve(slowly) as server, open_sender(server.url, max_concurrency=1, timeout=0.3) as sender:
        answers = await asyncio.gather(*(sender.post(PUSH_HEADERS, BODY) for _ in range(5)))
        assert [answer.status for answer in answers] == [200] * 5
        assert all(0.09 < answer.duration < 0.3 for answer in answers)


async def test_the_last_used_connection_is_used_next() -> None:
    seen: list[int] = []

    async def numbered(peer: Peer) -> None:
        while True:
            await peer.request()
            seen.append(peer.number)
            await peer.send(OK)

    async with serve(numbered) as server, open_sender(server.url) as sender:
        await asyncio.gather(*(sender.post(PUSH_HEADERS, BODY) for _ in range(4)))
        seen.clear()
        for _ in range(4):
            await sender.post(PUSH_HEADERS, BODY)
        assert len(set(seen)) == 1


@both
async def test_a_server_that_closes_after_some_requests_costs_nothing(which: str) -> None:
    async def three_each(peer: Peer) -> None:
        for _ in range(3):
            await peer.request()
            await peer.send(OK)

    async with serve(three_each) as server, open_sender(server.url, which=which, max_concurrency=4) as sender:
        for _ in range(25):
            answers = await asyncio.gather(*(sender.post(PUSH_HEADERS, BODY) for _ in range(4)))
            assert {answer.status for answer in answers} == {200}
        assert len(server.requests) == 100


async def dies_on_reuse(peer: Peer) -> None:
    """Answer once, take the next request and end without a word."""
    await peer.request()
    await peer.send(OK)
    await peer.head()


async def test_a_kept_alive_connection_that_dies_on_reuse_is_retried_once_on_a_fresh_one() -> None:
    async with serve(dies_on_reuse) as server, open_sender(server.url) as sender:
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        assert server.accepted == 2


async def test_a_retry_passes_over_other_idle_connections_and_is_not_retried_again() -> None:
    async def first_only(peer: Peer) -> None:
        if peer.number <= 2:
            await dies_on_reuse(peer)
        else:
            await peer.head()

    async with serve(first_only) as server, open_sender(server.url) as sender:
        await asyncio.gather(*(sender.post(PUSH_HEADERS, BODY) for _ in range(2)))
        answer = await sender.post(PUSH_HEADERS, BODY)
        assert answer.failure is Failure.RESET
        assert server.accepted == 3, "one more connection than before, and only one"


async def test_a_connection_that_dies_on_reuse_after_a_byte_of_the_answer_is_not_retried() -> None:
    async def half(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"H")

    async with serve(half) as server, open_sender(server.url) as sender:
        await sender.post(PUSH_HEADERS, BODY)
        assert (await sender.post(PUSH_HEADERS, BODY)).failure is Failure.RESET
        assert server.accepted == 1


@both
async def test_a_fresh_connection_that_dies_is_not_retried(which: str) -> None:
    async def rude(peer: Peer) -> None:
        await peer.head()

    async with serve(rude) as server:
        assert (await post_once(server.url, which=which)).failure is Failure.RESET
        assert server.accepted == 1


async def test_bytes_on_an_idle_connection_end_it_and_are_never_taken_for_an_answer() -> None:
    told = asyncio.Event()

    async def chatty(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.number == 1:
            await told.wait()
            await peer.send(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")
        await peer.ended()

    async with serve(chatty) as server, open_sender(server.url) as sender:
        await sender.post(PUSH_HEADERS, BODY)
        told.set()
        await until(lambda: server.open == 0, seconds=5, what="the connection is ended")
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200


@both
async def test_an_answer_before_the_body_was_read_is_taken(which: str) -> None:
    async def full(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\ntoo big")
        await peer.reader.read(1)

    async with serve(full) as server, open_sender(server.url, which=which) as sender:
        answer = await sender.post(PUSH_HEADERS, BIG)
        assert answer.status == 413
        await until(lambda: server.open == 0, seconds=5, what="the connection is ended")


async def test_an_early_answer_on_a_connection_that_stays_open_ends_it() -> None:
    async def early(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
        await peer.ended()

    async with serve(early) as server, open_sender(server.url) as sender:
        for _ in range(2):
            assert (await sender.post(PUSH_HEADERS, BIG)).status == 413
        assert server.accepted == 2


@both
async def test_never_answering_ends_at_the_time_out(which: str) -> None:
    async with serve(silent) as server:
        answer = await post_once(server.url, which=which, timeout=0.2)
        assert answer.failure is Failure.TIMEOUT


@both
async def test_accepting_and_not_reading_ends_at_the_time_out(which: str) -> None:
    async def deaf(_: Peer) -> None:
        await asyncio.Event().wait()

    async with serve(deaf) as server:
        answer = await post_once(server.url, which=which, timeout=0.2, body=BIG)
        assert answer.failure is Failure.TIMEOUT


@both
async def test_a_head_that_drips_ends_at_the_time_out(which: str) -> None:
    async def drip(peer: Peer) -> None:
        await peer.request()
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100:
            await peer.send(bytes([byte]))
            await asyncio.sleep(0.02)

    async with serve(drip) as server:
        assert (await post_once(server.url, which=which, timeout=0.3)).failure is Failure.TIMEOUT


@both
async def test_a_body_that_drips_ends_at_the_time_out_with_the_status_that_was_read(which: str) -> None:
    async def drip(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.02)

    async with serve(drip) as server:
        answer = await post_once(server.url, which=which, timeout=0.3)
        assert answer.status == 200


async def test_each_exchange_of_a_connection_has_its_own_time() -> None:
    async def later_each_time(peer: Peer) -> None:
        for number in range(10):
            await peer.request()
            if number == 9:
                await peer.ended()
            await asyncio.sleep(0.12)
            await peer.send(OK)

    async with serve(later_each_time) as server, open_sender(server.url, timeout=1.0) as sender:
        answers = [await sender.post(PUSH_HEADERS, BODY) for _ in range(10)]
        assert [answer.status for answer in answers[:9]] == [200] * 9, "all together took longer than one time-out"
        assert answers[9].failure is Failure.TIMEOUT
        assert 1.0 <= answers[9].duration < 10
        assert server.accepted == 1


async def test_an_idle_connection_is_closed_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "IDLE", 0.1)
    async with serve(polite) as server, open_sender(server.url, timeout=0.05) as sender:
        await sender.post(PUSH_HEADERS, BODY)
        assert server.open == 1
        await until(lambda: server.open == 0, seconds=5, what="the connection is closed")
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200


async def test_an_exchange_after_a_pause_has_its_time_out_too() -> None:
    async def once(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.ended()

    async with serve(once) as server, open_sender(server.url, timeout=0.1) as sender:
        await sender.post(PUSH_HEADERS, BODY)
        await asyncio.sleep(0.2)  # the timer of the first exchange has moved on to the idle time-out
        answer = await sender.post(PUSH_HEADERS, BODY)
        assert answer.failure is Failure.TIMEOUT
        assert answer.duration < 1


@both
async def test_a_refused_port_is_a_failure_to_connect(which: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        answer = await post_once(f"http://127.0.0.1:{bound.getsockname()[1]}/", which=which)
    assert answer.failure is Failure.CONNECT


@both
async def test_a_name_that_does_not_exist_is_a_failure_of_dns(which: str) -> None:
    answer = await post_once("http://no-such-host.invalid/", which=which, timeout=10.0)
    assert answer.failure is Failure.DNS


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback")
@both
async def test_ipv6_works(which: str) -> None:
    async with serve(polite, host="::1") as server:
        assert (await post_once(server.url, which=which)).status == 200
        assert f"Host: [::1]:{server.port}\r\n".encode() in server.requests[0]


@both
async def test_closing_ends_what_is_under_way_or_waiting_as_reset(which: str) -> None:
    async with serve(silent) as server, open_sender(server.url, which=which, max_concurrency=2) as sender:
        posts = [sender.post(PUSH_HEADERS, BODY) for _ in range(5)]
        await until(lambda: server.open == 2, seconds=5, what="two connections")
        await sender.close()
        answers = await asyncio.gather(*posts)
        assert {answer.failure for answer in answers} == {Failure.RESET}
        await until(lambda: server.open == 0, seconds=5, what="no connection")


async def test_a_closed_sender_answers_reset() -> None:
    async with serve(polite) as server, open_sender(server.url) as sender:
        await sender.close()
        assert (await sender.post(PUSH_HEADERS, BODY)).failure is Failure.RESET
        assert server.accepted == 0


async def test_closing_while_connecting_ends_the_attempt_and_leaves_no_connection() -> None:
    async with serve(polite) as server, open_sender(server.url) as sender:
        post = sender.post(PUSH_HEADERS, BODY)
        await asyncio.sleep(0)
        await sender.close()
        assert (await post).failure is Failure.RESET
        await until(lambda: server.open == 0, seconds=5, what="no connection")


async def test_a_cancelled_attempt_holds_its_connection_until_the_answer_and_harms_no_other() -> None:
    gate = asyncio.Event()

    async def gated(peer: Peer) -> None:
        while True:
            await peer.request()
            await gate.wait()
            await peer.send(OK)

    async with serve(gated) as server, open_sender(server.url, max_concurrency=1) as sender:
        under_way, waiting, last = (sender.post(PUSH_HEADERS, BODY) for _ in range(3))
        await until(lambda: len(server.requests) == 1, seconds=5, what="a request")
        under_way.cancel()
        waiting.cancel()
        gate.set()
        assert (await last).status == 200
        assert len(server.requests) == 2, "the one that waited was never sent"
        assert server.accepted == 1


async def test_an_attempt_that_is_cancelled_while_connecting_is_not_sent_and_its_connection_is_used() -> None:
    async with serve(polite) as server, open_sender(server.url, max_concurrency=1) as sender:
        post = sender.post(PUSH_HEADERS, b"unwanted")
        post.cancel()
        assert (await sender.post(PUSH_HEADERS, b"wanted")).status == 200
        assert [request.rpartition(b"\r\n")[2] for request in server.requests] == [b"wanted"]
        assert server.accepted == 1


async def test_an_endpoint_that_fails_to_connect_lets_those_who_wait_try_too() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        async with open_sender(f"http://127.0.0.1:{bound.getsockname()[1]}/", max_concurrency=2) as sender:
            answers = await asyncio.gather(*(sender.post(PUSH_HEADERS, BODY) for _ in range(20)))
    assert {answer.failure for answer in answers} == {Failure.CONNECT}


async def test_a_retry_has_what_is_left_of_the_time_and_no_more() -> None:
    async def dies_late(peer: Peer) -> None:
        if peer.number > 1:
            await peer.ended()
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await asyncio.sleep(0.25)

    async with serve(dies_late) as server, open_sender(server.url, timeout=0.4) as sender:
        await sender.post(PUSH_HEADERS, BODY)
        started = asyncio.get_running_loop().time()
        answer = await sender.post(PUSH_HEADERS, BODY)
        assert answer.failure is Failure.TIMEOUT
        assert server.accepted == 2
        assert asyncio.get_running_loop().time() - started == pytest.approx(0.4, abs=0.15)
        assert answer.duration == pytest.approx(0.4, abs=0.15)


async def test_after_a_time_out_the_connection_is_ended_and_its_place_is_free() -> None:
    async def first_hangs(peer: Peer) -> None:
        await (silent if peer.number == 1 else polite)(peer)

    async with serve(first_hangs) as server, open_sender(server.url, max_concurrency=1, timeout=0.2) as sender:
        assert (await sender.post(PUSH_HEADERS, BODY)).failure is Failure.TIMEOUT
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        await until(lambda: server.open == 1, seconds=5, what="the first is ended")


async def test_an_idle_connection_that_is_just_ending_is_passed_over() -> None:
    async with serve(polite) as server, open_sender(server.url) as sender:
        await sender.post(PUSH_HEADERS, BODY)
        assert isinstance(sender, HttpSender)
        for connection in sender._pool._idle:
            connection.abort()  # connection_lost is called in the next turn of the loop only
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        assert server.accepted == 2
        assert len(server.requests) == 2


@both
async def test_the_future_of_an_attempt_never_fails(which: str) -> None:
    async def banner(peer: Peer) -> None:
        await peer.send(b"220 mail.example.test ESMTP\r\n")
        await peer.ended()

    async with serve(banner) as server:
        answer = await post_once(server.url, which=which)
        assert isinstance(answer, Answer)
        assert answer.failure in {Failure.PROTOCOL, Failure.RESET}
