"""Which keys get the grace, for how long, and what ends it."""

from typing import Any

import pytest

from support import objects
from trackpush_api.routing import Account, digest_key
from trackpush_api.shards import Shard
from trackpush_operator.compile.compiler import Compiler
from trackpush_operator.compile.key_grace import GRACE_SECONDS, with_grace
from trackpush_operator.compile.verdicts import Effects
from trackpush_operator.store.objects import Key, Kind
from trackpush_operator.store.resources import ResourceCache
from trackpush_operator.store.shard_revisions import ShardedTable
from trackpush_operator.store.tombstones import Tombstones

ONE, TWO = digest_key("key-number-one"), digest_key("key-number-two")
TWO_KEYS = [{"secretKeyRef": {"name": "keys", "key": "in"}}, {"secretKeyRef": {"name": "more", "key": "in"}}]
AW = Key(Kind.WEBHOOK, "acme", "clickpost")
SERVER = "trackpush/main"


class Operated:
    """The operator's decisions about one AggregatorWebhook, with a clock that the test sets."""

    def __init__(self, seed: Account | None = None, **webhook: Any) -> None:
        self.now = 1_000.0
        self.cache = ResourceCache(Tombstones())
        self.compiler = Compiler(self.cache, lambda: self.now)
        self._put(Kind.SERVER, objects.server())
        self._put(Kind.PUSH, objects.push())
        self._put(Kind.WEBHOOK, objects.webhook(**webhook))
        table = ShardedTable(SERVER)
        if seed is not None:
            part = table.part_of(("account", seed.name))
            part.seed(Shard(server=SERVER, name=part.name, revision="r", accounts=(seed,)))
        self.compiler.adopt(table)

    def _put(self, kind: Kind, body: Any) -> None:
        self.cache.take_item(kind, objects.made(body))

    def secret(self, name: str, **values: str) -> None:
        self.cache.take_secret(objects.made(objects.secret(name, **values)))

    def delete(self, name: str) -> None:
        self.cache.drop_secret(("acme", name), 10**9)

    def again(self, name: str, **values: str) -> None:
        """Make a deleted Secret again."""
        body = objects.made(objects.secret(name, **values))
        body["metadata"]["resourceVersion"] = str(10**9 + 1)
        self.cache.take_secret(body)

    def decide(self) -> Effects:
        return self.compiler.decide(AW)

    @property
    def account(self) -> Account | None:
        what = ("account", AW.full_name)
        found = self.compiler.tables[SERVER].part_of(what).entries.get(what)  # type: ignore[arg-type]
        assert found is None or isinstance(found, Account)
        return found

    @property
    def grace(self) -> dict[str, int]:
        return {} if self.account is None else {key.digest: key.until for key in self.account.grace}

    @property
    def keys(self) -> tuple[str, ...]:
        return () if self.account is None else self.account.key_digests


def served(**webhook: Any) -> Operated:
    """One that is served with its key or keys."""
    made = Operated(**webhook)
    made.secret("keys", **{"in": "key-number-one"})
    made.secret("more", **{"in": "key-number-two"})
    made.decide()
    assert made.grace == {}
    return made


def test_a_key_whose_secret_is_deleted_is_in_grace_for_a_minute() -> None:
    given = served()
    given.delete("keys")
    effects = given.decide()
    assert given.keys == ()
    assert given.grace == {ONE: 1_060}
    assert GRACE_SECONDS == 60
    assert effects.later == {AW: 61.0}, "it is decided again when the grace is over"
    verdict = given.compiler.verdicts[AW]
    assert not verdict.served
    assert "get 503 instead of 401; restore the Secret" in verdict.problems[-1].message


@pytest.mark.parametrize("left", [{}, {"in": ""}, {"in": "a\nb"}, {"other": "x"}])
def test_a_secret_that_loses_its_key_gives_the_same_grace(left: dict[str, str]) -> None:
    given = served()
    given.again("keys", **left)
    given.decide()
    assert given.grace == {ONE: 1_060}


def test_the_grace_does_not_begin_again_while_the_secret_is_missing() -> None:
    given = served()
    given.delete("keys")
    for now in (1_000.0, 1_020.0, 1_059.0):
        given.now = now
        given.decide()
        assert given.grace == {ONE: 1_060}
    given.now = 1_061.0
    given.decide()
    assert given.account is None
    given.now = 1_062.0
    given.decide()
    assert given.account is None


def test_a_secret_that_comes_back_ends_the_grace_and_a_later_loss_begins_a_new_one() -> None:
    given = served()
    given.delete("keys")
    given.decide()
    given.again("keys", **{"in": "key-number-one"})
    given.decide()
    assert (given.keys, given.grace) == ((ONE,), {})
    given.now = 1_050.0
    given.cache.drop_secret(("acme", "keys"), 10**9 + 2)
    given.decide()
    assert given.grace == {ONE: 1_110}


def test_a_key_that_is_exchanged_or_no_longer_named_gets_no_grace() -> None:
    given = served()
    given.again("keys", **{"in": "another-key-altogether"})
    given.decide()
    assert (given.keys, given.grace) == ((digest_key("another-key-altogether"),), {})


def test_one_of_two_keys_is_in_grace_and_the_other_is_served() -> None:
    given = served(keys=TWO_KEYS)
    assert sorted(given.keys) == sorted([ONE, TWO])
    given.delete("more")
    given.decide()
    assert (given.keys, given.grace) == ((ONE,), {TWO: 1_060})
    assert given.compiler.verdicts[AW].served
    given.now = 1_061.0
    given.decide()
    assert (given.keys, given.grace) == ((ONE,), {})


def test_an_operator_that_restarts_continues_with_the_same_end() -> None:
    given = served()
    given.delete("keys")
    given.decide()
    after = Operated(given.account)
    after.now = 1_030.0
    after.delete("keys")
    assert after.decide().later == {AW: 31.0}
    assert after.grace == {ONE: 1_060}


def test_a_secret_that_was_deleted_while_no_operator_ran_has_its_grace_from_the_start_on() -> None:
    before = served()
    after = Operated(before.account)
    after.now = 5_000.0
    after.delete("keys")
    after.decide()
    assert after.grace == {ONE: 5_060}


def test_an_account_that_is_refused_or_deleted_gets_no_grace() -> None:
    given = served()
    given.delete("keys")
    given.decide()
    given._put(Kind.SERVER, objects.server(allowedNamespaces={"from": "Same"}))
    given.decide()
    assert given.account is None


def test_a_key_in_grace_verifies_no_signature() -> None:
    before = Account(name="acme/parcelkit", aggregator="parcelkit", key_digests=(ONE,), secrets=("key-number-one",))

    kept = with_grace(None, before, now=1000, seconds=60)

    assert kept is not None
    assert (kept.key_digests, kept.secrets) == ((), ())
    assert [key.digest for key in kept.grace] == [ONE]


def test_a_webhook_of_the_same_aggregator_keeps_the_grace_however_its_name_was_read() -> None:
    before = Account(name="acme/parcelkit", aggregator="parcelkit", key_digests=(ONE, TWO))
    left = Account(name="acme/parcelkit", aggregator=b"parcelkit".decode(), key_digests=(TWO,))

    kept = with_grace(left, before, now=1000, seconds=60)

    assert kept is not None
    assert [key.digest for key in kept.grace] == [ONE]
