"""Pushes with OAuth 2.0: which token goes out, how many requests that takes, and what is told of failures."""

import asyncio

import pytest
import structlog
from aiohttp import web

from outbound.authorized import Clock, bearer, endpoint, failed, opened
from outbound.kit import BODY, PUSH_HEADERS
from outbound.servers import always, serve
from support.authority import CLIENT, SECRET, Asked, failing, open_authority
from support.deadline import until
from trackpush_server.outbound.port import Failure
from trackpush_server.outbound.transport import HttpTransport
from trackpush_server.pusher import policy


async def test_a_push_carries_a_token_that_was_asked_for_as_the_rfc_says_and_is_kept() -> None:
    async with open_authority() as authority, endpoint(authority) as server, opened(authority, server) as sender:
        for _ in range(3):
            assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        assert [bearer(request) for request in server.requests] == ["Bearer token-1-of-acme"] * 3
        assert b"webhook-id: psh_1\r\n" in server.requests[0]
        (asked,) = authority.asked
        assert asked.form == {"grant_type": "client_credentials", "scope": "push track:write"}
        assert asked.credentials == (CLIENT, SECRET)
        assert asked.headers["accept"] == "application/json"
        assert asked.headers["content-type"] == "application/x-www-form-urlencoded"


async def test_a_hundred_pushes_that_wait_make_one_token_request() -> None:
    async with open_authority() as authority, endpoint(authority) as server:
        release = asyncio.Event()

        async def late(_: Asked) -> web.Response:
            await release.wait()
            return authority.grant()

        authority.override = late
        async with opened(authority, server, max_concurrency=100) as sender:
            posts = [sender.post(PUSH_HEADERS, BODY) for _ in range(100)]
            await until(lambda: bool(authority.asked), seconds=5, what="the token request")
            assert not any(post.done() for post in posts)
            release.set()
            assert {answer.status for answer in await asyncio.gather(*posts)} == {200}
        assert len(authority.asked) == 1


async def test_a_token_is_renewed_beside_the_pushes_before_it_ends_and_waited_for_after() -> None:
    clock = Clock()
    transport = HttpTransport(clock=clock, chance=lambda: 0.0)
    async with (
        open_authority() as authority,
        endpoint(authority) as server,
        opened(authority, server, transport=transport) as sender,
    ):

        async def posted() -> str:
            assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
            return bearer(server.requests[-1])

        assert await posted() == "Bearer token-1-of-acme"
        clock.now += 2879
        assert await posted() == "Bearer token-1-of-acme"
        assert len(authority.asked) == 1
        clock.now += 1
        renewed = asyncio.Event()

        async def slowly(_: Asked) -> web.Response:
            await renewed.wait()
            return authority.grant()

        authority.override = slowly
        assert await posted() == "Bearer token-1-of-acme", "80 % of its life are over: it is renewed, and still serves"
        assert await posted() == "Bearer token-1-of-acme"
        renewed.set()
        while await posted() != "Bearer token-2-of-acme":
            pass
        assert len(authority.asked) == 2
        clock.now += 3600
        assert await posted() == "Bearer token-3-of-acme", "nothing is sent with a token that has ended"


async def test_a_renewal_that_fails_harms_no_push_and_is_tried_again_after_a_pause() -> None:
    clock = Clock()
    transport = HttpTransport(clock=clock, chance=lambda: 0.0)
    async with (
        open_authority() as authority,
        endpoint(authority) as server,
        opened(authority, server, transport=transport) as sender,
    ):
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        authority.override = failing(503, f"{SECRET} is wrong")
        clock.now += 3000
        with structlog.testing.capture_logs() as logged:
            for _ in range(20):
                assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
            await until(lambda: bool(logged), seconds=5, what="the failure is told, as no push shows it")
        assert len(authority.asked) == 2
        (line,) = logged
        assert (line["event"], line["push_config"], line["reason"]) == ("token_renewal_failed", "acme/oms", "HTTP 503")
        assert line["still_valid_for"] == 600
        clock.now += 5
        authority.override = None
        while bearer(server.requests[-1]) != "Bearer token-2-of-acme":
            assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        assert len(authority.asked) == 3


async def test_a_push_that_gets_401_is_sent_once_more_with_a_new_token() -> None:
    async with open_authority() as authority, endpoint(authority) as server, opened(authority, server) as sender:
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        authority.valid.clear()
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        assert [bearer(request)[7:] for request in server.requests] == [
            "token-1-of-acme",
            "token-1-of-acme",
            "token-2-of-acme",
        ]
        assert server.requests[1].replace(b"token-1", b"token-2") == server.requests[2], "the same push, its id too"


async def test_fifty_pushes_that_get_401_share_one_new_token() -> None:
    async with (
        open_authority() as authority,
        endpoint(authority) as server,
        opened(authority, server, max_concurrency=50) as sender,
    ):
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        authority.valid.clear()
        answers = await asyncio.gather(*(sender.post(PUSH_HEADERS, BODY) for _ in range(50)))
        assert {answer.status for answer in answers} == {200}
        assert len(authority.asked) == 2


async def test_a_second_401_is_the_answer_and_a_client_that_refuses_all_gets_few_tokens() -> None:
    clock = Clock()
    async with (
        open_authority() as authority,
        endpoint(authority) as server,
        opened(authority, server, transport=HttpTransport(clock=clock)) as sender,
    ):
        authority.takes = lambda _: False  # type: ignore[method-assign]
        answer = await sender.post(PUSH_HEADERS, BODY)
        assert (answer.status, answer.detail) == (401, "nope"), "its token was just had: no other would do better"
        assert len(server.requests) == 1
        answer = await sender.post(PUSH_HEADERS, BODY)
        assert (answer.status, answer.detail) == (401, "with a new token, too: nope")
        assert len(server.requests) == 3
        for _ in range(10):
            assert (await sender.post(PUSH_HEADERS, BODY)).status == 401
        assert (len(authority.asked), len(server.requests)) == (2, 13)
        clock.now += 1
        await sender.post(PUSH_HEADERS, BODY)
        assert len(authority.asked) == 3


@pytest.mark.parametrize("said", ["Bearer token-1-of-acme", "token=token-1-of-acme", "bad: token-1-of"])
async def test_a_client_that_repeats_the_token_does_not_get_it_into_the_journal(said: str) -> None:
    answer = b"HTTP/1.1 500 Oops\r\nContent-Length: %d\r\n\r\n%s" % (len(said), said.encode())
    async with (
        open_authority() as authority,
        serve(always(answer)) as server,
        opened(authority, server) as sender,
    ):
        for _ in range(2):
            detail = (await sender.post(PUSH_HEADERS, BODY)).detail
            assert detail is not None
            assert "token-1" not in detail


async def test_a_401_whose_new_token_fails_is_the_token_endpoints_failure() -> None:
    async with open_authority() as authority, endpoint(authority) as server, opened(authority, server) as sender:
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
        authority.valid.clear()
        authority.override = failing(503, headers={"Retry-After": "7"})
        answer = await sender.post(PUSH_HEADERS, BODY)
        assert (answer.failure, answer.cause, answer.retry_after) == (Failure.TOKEN, "HTTP 503", 7.0)
        assert policy.reason(answer) == "token: HTTP 503 (the endpoint had answered 401 to the last token)"
        assert policy.judge(answer) is policy.Verdict.FAILED


@pytest.mark.parametrize("ways", ["basic", "post"])
async def test_a_server_that_takes_the_secret_in_one_place_only_is_asked_there_from_then_on(ways: str) -> None:
    clock = Clock()
    async with (
        open_authority() as authority,
        endpoint(authority) as server,
        opened(authority, server, transport=HttpTransport(clock=clock)) as sender,
    ):
        authority.ways = {ways}
        for _ in range(2):
            assert (await sender.post(PUSH_HEADERS, BODY)).status == 200
            clock.now += 3600
        assert [request.way for request in authority.asked] == (
            ["basic"] * 2 if ways == "basic" else ["basic", "post", "post"]
        )
        authority.ways = {"basic"}
        assert (await sender.post(PUSH_HEADERS, BODY)).status == 200


async def test_a_wrong_secret_is_reported_with_the_code_of_the_rfc() -> None:
    async with open_authority() as authority:
        authority.secret = "another"
        answer = await failed(authority)
        assert policy.cause(answer) == policy.reason(answer) == "token: HTTP 401 invalid_client"
        assert [request.way for request in authority.asked] == ["basic", "post"]


@pytest.mark.parametrize(
    ("status", "body", "cause", "reason"),
    [
        (503, "", "HTTP 503", "HTTP 503"),
        (500, "<h1>Oops</h1>", "HTTP 500", "HTTP 500: <h1>Oops</h1>"),
        (302, "moved", "HTTP 302", "HTTP 302: redirects are not followed"),
        (
            400,
            '{"error": "invalid_scope", "error_description": "no\\nscope push"}',
            "HTTP 400 invalid_scope",
            "HTTP 400 invalid_scope: no scope push",
        ),
        (400, '{"error": "s3cret +&%/"}', "HTTP 400", 'HTTP 400: {"error": "***"}'),
        (403, f"you sent {SECRET} of {CLIENT}", "HTTP 403", "HTTP 403: you sent *** of ***"),
        (200, "token-1", "invalid answer", "is not a JSON object"),
        (200, "[]", "invalid answer", "is not a JSON object"),
        (200, '{"token": "hidden-value"}', "invalid answer", "has no access_token"),
        (200, '{"access_token": "hidden-value", "token_type": "mac"}', "invalid answer", "token_type is not Bearer"),
        (200, '{"access_token": "hidden-value", "token_type": 1}', "invalid answer", "token_type is not Bearer"),
        (
            200,
            '{"access_token": "hidden\\r\\nvalue", "token_type": "bearer"}',
            "invalid answer",
            "no header may contain",
        ),
        (200, '{"access_token": "' + "x" * 70_000 + '"}', "invalid answer", "more than 65536 bytes"),
    ],
)
async def test_each_answer_without_a_usable_token_is_reported_and_shows_no_secret(
    status: int, body: str, cause: str, reason: str
) -> None:
    async with open_authority() as authority:
        authority.override = failing(status, body, {"Location": "http://127.0.0.1:1/"} if status == 302 else None)
        answer = await failed(authority)
        assert policy.cause(answer) == f"token: {cause}"
        assert reason in policy.reason(answer)
        assert "hidden" not in policy.reason(answer)
        assert len(authority.asked) == 1
