"""Signatures: HMAC-SHA256 over the bytes of a body, in every way in which senders write them."""

import base64
import hashlib
import hmac
from collections.abc import Generator, Sequence
from itertools import chain
from typing import Any

import pytest
from multidict import CIMultiDict

from support.rows import every_row
from trackpush_api.routing import Account, Signature, digest_key
from trackpush_server.receiver import signatures
from trackpush_server.receiver.keys import Match
from trackpush_server.receiver.signatures import SigningAccount, presented, search, signing_secrets

BODY = b'{"waybill": "7001"}'
HEX = Signature(header="X-Sign", prefix="sha256=")
BASE64 = Signature(header="X-Sign", encoding="Base64")


def made(secret: str | bytes, body: bytes = BODY) -> bytes:
    return hmac.digest(secret.encode() if isinstance(secret, str) else secret, body, hashlib.sha256)


def signing(name: str, *secrets: str) -> SigningAccount:
    account = Account(name=name, aggregator="parcelkit", key_digests=tuple(map(digest_key, secrets)), secrets=secrets)  # type: ignore[arg-type]
    return SigningAccount(account, tuple(chain.from_iterable(map(signing_secrets, secrets))))


def ended(steps: Generator[None, None, Match | None]) -> tuple[Match | None, int]:
    """The result and the number of steps."""
    count = 0
    while True:
        try:
            next(steps)
            count += 1
        except StopIteration as done:
            return done.value, count


def found(accounts: Sequence[SigningAccount], given: Sequence[bytes], content: bytes = BODY) -> str | None:
    match, _ = ended(search(accounts, content, given))
    return None if match is None else f"{match.account.name} {match.key}"


def header(value: str, *more: str) -> CIMultiDict[str]:
    return CIMultiDict([("x-sign", each) for each in (value, *more)])


@every_row("write", [str.lower, str.upper, lambda text: f" {text} "])
@every_row("prefix", ["sha256=", "SHA256=", "Sha256= "])
def test_hex_is_read_in_any_case_after_its_prefix_in_any_case(write: Any, prefix: str) -> None:
    assert presented(header(prefix + write(made("k").hex())), HEX) == (made("k"),)


def test_base64_is_read_with_and_without_its_padding() -> None:
    text = base64.b64encode(made("k")).decode()

    assert presented(header(text), BASE64) == (made("k"),)
    assert presented(header(text.rstrip("=")), BASE64) == (made("k"),)


@every_row(
    ("value", "signature"),
    [
        ("", HEX),
        ("sha256=", HEX),
        (made("k").hex(), HEX),  # without its prefix
        ("sha1=" + made("k").hex(), HEX),
        ("sha256=" + made("k").hex()[:-1], HEX),
        ("sha256=" + made("k").hex() + "0", HEX),
        ("sha256=" + "\uff46" * 64, HEX),
        ("sha256=" + base64.b64encode(made("k")).decode(), HEX),
        (made("k").hex(), BASE64),
        ("=" * 44, BASE64),
        (base64.b64encode(made("k")[:-1]).decode(), BASE64),
        (base64.b64encode(made("k") + b"1").decode(), BASE64),
        ("ü" * 43, BASE64),
        ("\udcff" * 43, BASE64),
    ],
)
def test_what_is_no_signature_is_present_and_invalid(value: str, signature: Signature) -> None:
    assert presented(header(value), signature) == ()


def test_a_missing_header_is_no_invalid_signature() -> None:
    assert presented(CIMultiDict({"x-other": "sha256=" + made("k").hex()}), HEX) is None


def test_of_repeated_or_joined_headers_one_is_enough() -> None:
    good, bad = "sha256=" + made("k").hex(), "sha256=" + made("other").hex()

    assert presented(header(bad, good), HEX) == (made("other"), made("k"))
    assert presented(header(f"{bad}, {good}"), HEX) == (made("other"), made("k"))


def test_a_prefix_may_contain_a_comma() -> None:
    signature = Signature(header="X-Sign", encoding="Base64", prefix="v1,")
    good, bad = (base64.b64encode(made(secret)).decode() for secret in ("k", "other"))

    assert presented(header(f"v1,{good}"), signature) == (made("k"),)
    assert presented(header(f"V1, {bad}, v1,{good}"), signature) == (made("other"), made("k"))
    assert presented(header(good), signature) == ()


def test_only_a_few_signatures_of_a_request_are_read() -> None:
    assert len(presented(header(",".join(["sha256=" + made("k").hex()] * 5000)), HEX) or ()) == 4


def test_each_secret_of_an_account_is_valid_at_the_same_time() -> None:
    accounts = [signing("a/x", "old", "new"), signing("b/x", "other")]

    assert found(accounts, [made("old")]) == "a/x old"
    assert found(accounts, [made("new")]) == "a/x new"
    assert found(accounts, [made("other")]) == "b/x other"
    assert found(accounts, [made("stranger")]) is None


def test_a_signature_of_other_bytes_is_wrong() -> None:
    assert found([signing("a/x", "k")], [made("k")], BODY + b" ") is None
    assert found([signing("a/x", "k")], [], BODY) is None


@every_row("secret", ["k\u00e9y", "ﬁ-\u212b", "ключ"])
def test_a_secret_that_is_not_ascii_may_be_normalised_first(secret: str) -> None:
    import unicodedata  # noqa: PLC0415

    assert found([signing("a/x", secret)], [made(secret)]) == f"a/x {secret}"
    assert found([signing("a/x", secret)], [made(unicodedata.normalize("NFKD", secret))]) == f"a/x {secret}"


def test_a_long_secret_and_an_empty_body_are_signed_as_the_standard_says() -> None:
    secret = "s" * 200

    assert found([signing("a/x", secret)], [made(secret, b"")], b"") == f"a/x {secret}"


def test_secrets_are_not_tried_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "MOST_SECRETS", 10)
    accounts = [signing(f"a/{number:02}", f"first-{number}", f"second-{number}") for number in range(20)]

    assert found(accounts, [made("second-4")]) == "a/04 second-4"
    assert found(accounts, [made("first-5")]) is None


def test_bytes_are_not_hashed_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signatures, "MOST_BYTES", 5 * len(BODY))
    accounts = [signing(f"a/{number}", f"first-{number}", f"second-{number}") for number in range(20)]

    assert found(accounts, [made("second-2")]) == "a/2 second-2", "all secrets of an account are tried"
    assert found(accounts, [made("first-3")]) is None


def test_hashing_a_large_body_or_trying_many_secrets_takes_many_steps() -> None:
    large = b"x" * (5 * signatures.STEP_BYTES + 1)
    match, steps = ended(search([signing("a/x", "k")], large, [made("k", large)]))
    assert (match is not None, steps) == (True, 5)

    many = [signing(f"a/{number}", f"s-{number}") for number in range(1000)]
    match, steps = ended(search(many, BODY, [made("s-999")]))
    assert match is not None
    assert steps >= 3
