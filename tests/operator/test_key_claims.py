"""Who has a key, through deletions, re-creations and time."""

import pytest

from trackpush_api.vocabulary import Aggregator
from trackpush_operator.compile.key_claims import Claim, KeyClaims
from trackpush_operator.store.objects import Key, Kind

KEY: Claim = ("t/main", (Aggregator.CLICKPOST, "digest"))
OWN = frozenset({KEY})
NONE: frozenset[Claim] = frozenset()
OLD, NEW, LATER = "2026-01-01 u1", "2026-01-02 u2", "2026-01-03 u3"


def webhook(full_name: str) -> Key:
    namespace, _, name = full_name.partition("/")
    return Key(Kind.WEBHOOK, namespace, name)


ACME, RIVAL, OTHER = webhook("acme/clickpost"), webhook("rival/clickpost"), webhook("acme/renamed")


def contested() -> KeyClaims:
    """Acme has the key, and rival waits for it."""
    claims = KeyClaims(memory=60)
    claims.replace(ACME, NEW, OWN, now=0)
    claims.replace(RIVAL, LATER, OWN, now=1)
    assert claims.owner(KEY) == ACME
    return claims


def test_an_owner_that_is_created_again_gets_its_key_back_although_it_is_younger_now() -> None:
    claims = contested()
    touched = claims.replace(ACME, "", NONE, now=10)
    assert (claims.owner(KEY), touched.claimants, touched.holders) == (ACME, set(), {ACME})
    assert claims.reserved_for(ACME) == {KEY: 70}
    claims.replace(ACME, "2026-02-01 u9", OWN, now=20)
    assert (claims.owner(KEY), claims.reserved_for(ACME)) == (ACME, {})
    claims.replace(ACME, "2026-02-01 u9", OWN, now=1000)
    claims.replace(RIVAL, LATER, OWN, now=1001)
    assert claims.owner(KEY) == ACME, "also long afterwards"


@pytest.mark.parametrize(("now", "owner"), [(69, ACME), (70, RIVAL)])
def test_the_one_that_waits_has_it_when_the_time_is_over(now: float, owner: Key) -> None:
    claims = contested()
    claims.replace(ACME, "", NONE, now=10)
    touched = claims.replace(ACME, "", NONE, now=now)
    assert claims.owner(KEY) == owner
    assert touched.claimants == ({RIVAL} if owner == RIVAL else set())
    assert claims.reserved_for(ACME) == ({} if owner == RIVAL else {KEY: 70})


def test_a_claimant_that_comes_while_the_key_is_reserved_does_not_get_it() -> None:
    claims = KeyClaims(memory=60)
    claims.replace(ACME, NEW, OWN, now=0)
    claims.replace(ACME, "", NONE, now=10)
    claims.replace(RIVAL, OLD, OWN, now=20)
    assert claims.owner(KEY) == ACME


def test_an_older_claimant_takes_nothing_from_who_has_the_key() -> None:
    claims = KeyClaims(memory=60)
    claims.replace(ACME, NEW, OWN, now=0)
    claims.replace(RIVAL, OLD, OWN, now=1)
    assert claims.owner(KEY) == ACME


def test_another_resource_of_the_same_namespace_has_it_at_once() -> None:
    claims = contested()
    claims.replace(OTHER, LATER, OWN, now=5)
    touched = claims.replace(ACME, "", NONE, now=10)
    assert claims.owner(KEY) == OTHER
    assert touched.claimants == {OTHER}
    assert claims.reserved_for(ACME) == {}


def test_a_key_that_nobody_claims_is_free_when_the_time_is_over() -> None:
    claims = KeyClaims(memory=60)
    claims.replace(ACME, NEW, OWN, now=0)
    claims.replace(ACME, "", NONE, now=10)
    claims.replace(ACME, "", NONE, now=100)
    assert claims.owner(KEY) is None
    assert claims.reserved_for(ACME) == {}


def test_until_all_resources_are_known_the_oldest_has_it() -> None:
    claims = KeyClaims(memory=60)
    claims.replace(RIVAL, LATER, OWN, is_final=False)
    claims.replace(ACME, NEW, OWN, is_final=False)
    assert claims.owner(KEY) == ACME
    claims.finish("t/main")
    claims.replace(webhook("third/clickpost"), OLD, OWN)
    assert claims.owner(KEY) == ACME


@pytest.mark.parametrize("until", [None, 50.0])
def test_who_had_it_by_the_routing_table_has_it_after_a_restart(until: float | None) -> None:
    claims = KeyClaims(memory=60)
    claims.adopt([KEY], ACME, until)
    claims.replace(RIVAL, OLD, OWN, now=10, is_final=False)
    assert claims.owner(KEY) == ACME
    claims.replace(ACME, "", NONE, now=11)
    claims.replace(ACME, "", NONE, now=49)
    assert claims.owner(KEY) == ACME
    claims.replace(ACME, "", NONE, now=1000)
    assert claims.owner(KEY) == RIVAL
