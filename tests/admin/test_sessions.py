"""Sessions end by time, by hand and with the token that began them; an ID token that isn't right lets nobody in."""

import contextlib
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from trackpush_server.admin import sessions
from trackpush_server.admin.console.oidc import Oidc, OidcError, Person
from trackpush_server.admin.sessions import IDLE, LIFETIME, Sessions
from trackpush_server.options import OidcOptions


class Clock:
    """Seconds that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_session_ends_after_its_lifetime_however_busy_and_earlier_when_idle() -> None:
    clock = Clock()
    kept = Sessions(clock)
    busy, idle = kept.begin("a", "operate"), kept.begin("b", "view")
    while clock.now <= LIFETIME:
        who = kept.find(busy)
        assert who is not None
        assert who.actor == "a"
        clock.now += IDLE / 2
    assert kept.find(busy) is None
    clock.now = 0.0
    assert Sessions(clock).find(idle) is None
    clock.now = IDLE + 1
    assert kept.find(idle) is None


def test_a_session_ends_by_hand_when_its_token_changes_and_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "MOST_OF_A_ROLE", 2)
    valid = [True]
    kept = Sessions(Clock())
    ended, bound = kept.begin("a", "operate"), kept.begin("b", "operate", lambda: valid[0])
    kept.end(ended)
    assert kept.find(ended) is None
    assert kept.find(bound) is not None
    valid[0] = False
    assert kept.find(bound) is None
    many = [kept.begin(str(number), "view") for number in range(3)]
    assert [kept.find(session) is not None for session in many] == [False, True, True]


OUR_KEY, THEIR_KEY = RSAKey.generate_key(2048, {"kid": "1"}), RSAKey.generate_key(2048, {"kid": "1"})


@contextlib.asynccontextmanager
async def provider(token: Callable[[str], str]) -> AsyncIterator[Oidc]:
    """A provider on loopback that answers every code with what ``token`` makes of its URL."""
    app = web.Application()

    async def discovery(request: web.Request) -> web.Response:
        url = f"http://{request.host}"
        paths = {"authorization_endpoint": "/authorize", "token_endpoint": "/token", "jwks_uri": "/keys"}
        return web.json_response({"issuer": url, **{name: url + path for name, path in paths.items()}})

    async def keys(_: web.Request) -> web.Response:
        return web.json_response({"keys": [OUR_KEY.as_dict(private=False)]})

    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"access_token": "x", "id_token": token(f"http://{request.host}")})

    app.router.add_get("/.well-known/openid-configuration", discovery)
    app.router.add_get("/keys", keys)
    app.router.add_post("/token", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
        options = OidcOptions(issuer=issuer, client_id="us", operate=("ops",))
        yield Oidc(options, redirect_uri="http://localhost/console/oidc/callback")
    finally:
        await runner.cleanup()


async def log_in(changes: dict[str, Any], *, key: Any = OUR_KEY, algorithm: str = "RS256") -> Person:
    """What an ID token with these claims comes to."""
    nonce: list[str] = []

    def token(issuer: str) -> str:
        now = int(time.time())
        claims = {"iss": issuer, "aud": "us", "sub": "olga", "iat": now, "exp": now + 300, "nonce": nonce[0]}
        claims = {name: value for name, value in {**claims, "groups": ["ops"], **changes}.items() if value is not None}
        return jwt.encode({"alg": algorithm, "kid": "1"}, claims, key, algorithms=[algorithm])

    async with provider(token) as oidc:
        ticket, _ = await oidc.begin("/console/")
        nonce.append(ticket.nonce)
        return await oidc.finish(ticket, "code")


async def test_a_right_id_token_says_who_it_is() -> None:
    assert await log_in({}) == Person(actor="olga", role="operate")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "others"},
        {"iss": "https://elsewhere.example"},
        {"nonce": "of another log-in"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"sub": None},
        {"azp": "others"},
        {"groups": ["sales"]},
        {"groups": None},
    ],
)
async def test_an_id_token_with_a_wrong_claim_lets_nobody_in(changes: dict[str, Any]) -> None:
    with pytest.raises(OidcError):
        await log_in(changes)


async def test_an_id_token_that_the_provider_did_not_sign_lets_nobody_in() -> None:
    with pytest.raises(OidcError, match="not valid"):
        await log_in({}, key=THEIR_KEY)
    guessed = OctKey.generate_key(256)
    with pytest.raises(OidcError, match="not valid"):
        await log_in({}, key=guessed, algorithm="HS256")
