"""The search for the account of a signed body is fair, and leaves time to other requests."""

import asyncio
import hashlib
import hmac

import pytest

from trackpush_api.routing import Account, digest_key
from trackpush_server.receiver import signature_search, signatures
from trackpush_server.receiver.signature_search import MOST_RECENT, SignatureSearch
from trackpush_server.receiver.signatures import STEP_BYTES, SigningAccount, signing_secrets

SMALL = b'{"waybill": "7001"}'


def signers(count: int) -> dict[str, SigningAccount]:
    """Accounts ``a/0000`` and so on, each with the secret ``s-NUMBER``."""
    return {name: signing(name, f"s-{number}") for number in range(count) for name in (f"a/{number:04}",)}


def signing(name: str, secret: str) -> SigningAccount:
    account = Account(name=name, aggregator="parcelkit", key_digests=(digest_key(secret),), secrets=(secret,))  # type: ignore[arg-type]
    return SigningAccount(account, signing_secrets(secret))


def made(secret: str, body: bytes = SMALL) -> bytes:
    return hmac.digest(secret.encode(), body, hashlib.sha256)


async def test_a_small_body_does_not_wait_for_the_end_of_large_ones() -> None:
    searching, accounts, ended = SignatureSearch(), signers(20), list[str]()

    async def find(name: str, content: bytes, secret: str) -> None:
        assert await searching.find("parcelkit", accounts, content, [made(secret, content)])
        ended.append(name)

    large = b"x" * (4 * STEP_BYTES)
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(find(f"large {number}", large, "s-19"))
        group.create_task(find("small", SMALL, "s-19"))

    assert ended[0] == "small"


async def test_other_work_has_a_turn_after_each_step() -> None:
    searching, turns, accounts = SignatureSearch(), 0, signers(1)
    large = b"x" * (10 * STEP_BYTES)
    search = asyncio.create_task(searching.find("parcelkit", accounts, large, [made("s-0", large)]))
    while not search.done():
        turns += 1
        await asyncio.sleep(0)

    assert search.result() is not None
    assert turns >= 10


async def test_accounts_that_signed_most_recently_are_tried_first(monkeypatch: pytest.MonkeyPatch) -> None:
    searching, accounts = SignatureSearch(), signers(30)
    for secret in ("s-20", "s-29"):
        assert await searching.find("parcelkit", accounts, SMALL, [made(secret)])
    monkeypatch.setattr(signature_search, "AT_ONCE", 0)
    monkeypatch.setattr(signatures, "MOST_SECRETS", 2)

    async def found(secret: str, among: dict[str, SigningAccount], aggregator: str = "parcelkit") -> bool:
        return await searching.find(aggregator, among, SMALL, [made(secret)]) is not None

    assert await found("s-20", accounts)
    assert await found("s-29", accounts)
    assert not await found("s-0", accounts)
    assert not await found("s-29", accounts, "another")
    remaining = {name: signer for name, signer in accounts.items() if name != "a/0029"}
    assert not await found("s-29", remaining), "an account that is gone is not tried"
    assert await found("s-0", remaining)


async def test_a_recent_signer_does_not_wait_for_searches_that_a_stranger_caused() -> None:
    searching, accounts = SignatureSearch(), signers(300)
    assert await searching.find("parcelkit", accounts, SMALL, [made("s-7")])

    async with searching._turn, asyncio.timeout(10):  # as while a search has its turn
        match = await searching.find("parcelkit", accounts, SMALL, [made("s-7")])

    assert match is not None


async def test_only_one_search_takes_a_step_between_two_turns_of_the_event_loop() -> None:
    begun = list[float]()

    def clock() -> float:
        begun.append(0.0)
        return float(len(begun))

    searching, accounts, most, turns = SignatureSearch(clock=clock), signers(10), 0, 0
    strangers = [asyncio.create_task(searching.find("parcelkit", accounts, SMALL, [made("guessed")])) for _ in range(3)]
    while not strangers[-1].done() and turns < 3:
        before = len(begun)
        await asyncio.sleep(0)
        turns, most = turns + 1, max(most, len(begun) - before)
    for stranger in strangers:
        stranger.cancel()
    await asyncio.gather(*strangers, return_exceptions=True)

    assert most == 2, "a step reads the clock twice"


async def test_only_a_few_recent_accounts_are_remembered() -> None:
    searching, accounts = SignatureSearch(), signers(3 * MOST_RECENT)
    for number in range(3 * MOST_RECENT):
        assert await searching.find("parcelkit", accounts, SMALL, [made(f"s-{number}")])

    assert len(searching._recent["parcelkit"]) == MOST_RECENT
