"""The shards of the routing table: nothing is lost or moved, and a broken shard is refused."""

from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.examples import examples
from trackpush_api import shards
from trackpush_api.routing import Account, Destination, Host, RoutingTable, ServerSettings
from trackpush_api.shards import SETTINGS, Shard, ShardError
from trackpush_api.vocabulary import Aggregator

_names = st.from_regex(r"[a-z]{1,6}/[a-z0-9]{1,6}", fullmatch=True)
_texts = st.text(st.characters(codec="utf-8"), max_size=20)
_accounts = st.builds(
    Account,
    name=_names,
    aggregator=st.sampled_from(Aggregator),
    key_digests=st.lists(_texts, max_size=3).map(tuple),
    destinations=st.lists(_names, max_size=3).map(tuple),
    statuses=st.none() | st.frozensets(_texts, max_size=4),
    suspended=st.booleans(),
)
_destinations = st.builds(
    Destination, name=_names, url=_texts, headers=st.lists(st.tuples(_texts, _texts), max_size=3).map(tuple)
)


def _sorted_tables(accounts: list[Account], destinations: list[Destination]) -> RoutingTable:
    return RoutingTable(
        server=ServerSettings(name="t/main", hosts=(Host(host="a.example", aggregators=frozenset(Aggregator)),)),
        accounts=tuple(sorted(accounts, key=lambda entry: entry.name)),
        destinations=tuple(sorted(destinations, key=lambda entry: entry.name)),
    )


_tables = st.builds(
    _sorted_tables,
    st.lists(_accounts, max_size=8, unique_by=lambda entry: entry.name),
    st.lists(_destinations, max_size=8, unique_by=lambda entry: entry.name),
)


@given(_tables)
@settings(max_examples=examples(60), deadline=None)
def test_a_table_comes_back_whole_from_its_shards(table: RoutingTable) -> None:
    files = [shards.encode(part) for part in shards.split(table).values()]
    assert shards.join(map(shards.decode, files)) == table


@given(_tables, st.randoms())
@settings(max_examples=examples(60), deadline=None)
def test_a_change_of_one_resource_changes_its_shard_only(table: RoutingTable, random: object) -> None:
    del random
    before = shards.split(table)
    for account in table.accounts:
        changed = msgspec.structs.replace(account, suspended=not account.suspended)
        others = [other for other in table.accounts if other is not account]
        after = shards.split(_sorted_tables([*others, changed], list(table.destinations)))
        differ = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert differ == {shards.shard_name(account.name)}


def test_a_name_has_its_shard_for_ever() -> None:
    assert [shards.shard_name(name) for name in ("acme/oms", "acme/clickpost", "zeta/one")] == ["07", "58", "10"]


def test_names_spread_over_all_shards() -> None:
    counts = dict.fromkeys(shards.SHARD_NAMES, 0)
    for number in range(5000):
        counts[shards.shard_name(f"tenant-{number}/oms")] += 1
    assert len(counts) == shards.SHARDS == 63
    assert min(counts.values()) > 40
    assert max(counts.values()) < 130


def test_only_the_revision_may_differ_for_the_same_contents() -> None:
    one = Shard(server="t/main", name="00", revision="a")
    assert one.holds_same(msgspec.structs.replace(one, revision="b"))
    assert not one.holds_same(msgspec.structs.replace(one, server="t/other"))
    assert not one.holds_same(None)


_ACCOUNT = Account(name="acme/clickpost", aggregator=Aggregator.CLICKPOST, key_digests=("00",))
_GOOD = Shard(server="t/main", name=shards.shard_name(_ACCOUNT.name), accounts=(_ACCOUNT,))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "not a shard"),
        (b"{", "not a shard"),
        (b"[]", "not a shard"),
        (b'{"format": 2, "x": 1}', "format 2 is not known to this version"),
        (b'{"format": 1}', "missing required field `server`"),
        (b'{"format": 1, "server": "t/main", "name": "\xff"}', "not a shard"),
        (shards.encode(msgspec.structs.replace(_GOOD, name="63")), "no shard has this name"),
        (shards.encode(msgspec.structs.replace(_GOOD, name="00")), "belong in another one"),
        (shards.encode(msgspec.structs.replace(_GOOD, accounts=(_ACCOUNT, _ACCOUNT))), "have the same name"),
        (shards.encode(Shard(server="t/main", name=SETTINGS)), "has settings that belong elsewhere, or none"),
        (shards.encode(msgspec.structs.replace(_GOOD, settings=ServerSettings(name="t/main"))), "belong elsewhere"),
        (
            shards.encode(Shard(server="t/main", name=SETTINGS, settings=ServerSettings(name="t/other"))),
            "another server",
        ),
    ],
)
def test_a_broken_shard_is_refused_with_the_reason(data: bytes, expected: str) -> None:
    with pytest.raises(ShardError) as caught:
        shards.decode(data)
    assert expected.lower() in str(caught.value).lower()


def test_no_error_quotes_a_value() -> None:
    broken = shards.encode(_GOOD).replace(b'"suspended":false', b'"suspended":"s3cret-value"')
    with pytest.raises(ShardError) as caught:
        shards.decode(broken)
    assert "s3cret" not in str(caught.value)
    assert "accounts" in str(caught.value)


def test_a_field_of_a_later_version_is_ignored() -> None:
    assert shards.decode(shards.encode(_GOOD).replace(b'{"format"', b'{"later":1,"format"')) == _GOOD


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (lambda whole: whole[1:], "no settings"),
        (lambda whole: [*whole, whole[1]], "duplicate shard"),
        (lambda whole: [*whole, Shard(server="t/other", name="62")], "shards of t/other"),
    ],
)
def test_shards_that_dont_belong_together_are_refused(
    parts: Callable[[list[Shard]], list[Shard]], expected: str
) -> None:
    whole = list(shards.split(_sorted_tables([_ACCOUNT], [])).values())
    with pytest.raises(ShardError, match=expected):
        shards.join(parts(whole))
