"""A shard's contents, its numbers, and what is written when."""

import itertools
from collections.abc import Callable

import msgspec
import pytest

from trackpush_api import shards
from trackpush_api.routing import Account, Destination
from trackpush_api.vocabulary import Aggregator
from trackpush_operator.store.shard_revisions import EntryKey, ShardedTable, ShardState

NAME = "acme/oms"
SHARD = shards.shard_name(NAME)
WHAT: EntryKey = ("destination", NAME)


def destination(url: str = "https://a.example", name: str = NAME) -> Destination:
    return Destination(name=name, url=url)


@pytest.fixture
def revisions() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"r{next(numbers)}"


def written(part: ShardState, revisions: Callable[[], str]) -> bytes | None:
    attempt = part.begin(revisions)
    if attempt is None:
        return None
    part.done(attempt)
    return attempt.data


def test_what_was_put_is_written_once(revisions: Callable[[], str]) -> None:
    part = ShardState("t/main", SHARD)
    assert part.put(WHAT, destination())
    assert part.is_behind
    data = written(part, revisions)
    assert data is not None
    assert shards.decode(data).destinations == (destination(),)
    assert not part.is_behind
    assert not part.put(WHAT, destination())
    assert not part.is_behind


def test_a_table_that_is_in_the_cluster_already_isnt_written_again(revisions: Callable[[], str]) -> None:
    part = ShardState("t/main", SHARD)
    part.seed(shards.Shard(server="t/main", name=SHARD, revision="old", destinations=(destination(),)))
    assert not part.put(WHAT, destination())
    assert not part.is_behind
    part.put(WHAT, destination("https://b.example"))
    part.put(WHAT, destination())
    assert written(part, revisions) is None
    assert (part.revision, part.is_behind) == ("old", False)


def test_a_change_during_a_write_is_written_after_it(revisions: Callable[[], str]) -> None:
    part = ShardState("t/main", SHARD)
    part.put(WHAT, destination())
    attempt = part.begin(revisions)
    assert attempt is not None
    part.put(WHAT, destination("https://b.example"))
    part.done(attempt)
    assert part.is_behind
    assert not part.is_written(WHAT)
    assert written(part, revisions) is not None
    assert part.is_written(WHAT)


def test_a_failed_write_is_still_to_be_done(revisions: Callable[[], str]) -> None:
    part = ShardState("t/main", SHARD)
    part.put(WHAT, destination())
    assert part.begin(revisions) is not None
    assert part.is_behind
    assert written(part, revisions) is not None
    assert not part.is_behind


def test_another_resources_change_leaves_no_doubt_about_this_one(revisions: Callable[[], str]) -> None:
    part = ShardState("t/main", SHARD)
    part.put(WHAT, destination())
    written(part, revisions)
    served = part.number_of(part.revision)
    part.put(("account", NAME), Account(name=NAME, aggregator=Aggregator.SHIPWAY, key_digests=("0",)))
    assert part.need(WHAT) <= served < part.need(("account", NAME))
    assert part.changed_since(served) == [("account", NAME)]


def test_an_unknown_revision_serves_nothing() -> None:
    part = ShardState("t/main", SHARD)
    part.seed(shards.Shard(server="t/main", name=SHARD, revision="old", destinations=(destination(),)))
    assert part.number_of("old") == part.need(WHAT) == 0
    assert part.number_of("older") == part.number_of(None) == -1


def test_an_empty_shard_that_never_held_anything_isnt_made(revisions: Callable[[], str]) -> None:
    part = ShardState("t/main", SHARD)
    part.put(WHAT, destination())
    part.put(WHAT, None)
    assert written(part, revisions) is None
    assert not part.is_behind


def test_a_shard_that_became_empty_is_written_as_empty(revisions: Callable[[], str]) -> None:
    part = ShardState("t/main", SHARD)
    part.put(WHAT, destination())
    written(part, revisions)
    part.put(WHAT, None)
    data = written(part, revisions)
    assert data is not None
    assert shards.decode(data).destinations == ()


def test_what_somebody_else_changed_is_written_again_with_another_revision(revisions: Callable[[], str]) -> None:
    part = ShardState("t/main", SHARD)
    part.put(WHAT, destination())
    data = written(part, revisions)
    assert data is not None
    assert part.is_intact(data)
    shard = shards.decode(data)
    assert not part.is_intact(shards.encode(msgspec.structs.replace(shard, destinations=())))
    assert not part.is_intact(b"")
    before = part.revision
    part.spoil()
    assert part.is_behind
    assert written(part, revisions) is not None
    assert part.revision != before
    assert part.number_of(before) >= part.need(WHAT)


def test_what_has_no_room_changes_nothing_and_gets_in_when_there_is_room() -> None:
    part = ShardState("t/main", SHARD)
    names = (f"n/{number}" for number in itertools.count())
    mine = [name for name in itertools.islice(names, 2000) if shards.shard_name(name) == SHARD][:3]
    first, second, third = (("destination", name) for name in mine)
    big = "https://a.example/" + "x" * 250_000
    assert part.put(first, destination(big, mine[0]))
    assert part.put(second, destination(big, mine[1]))
    assert not part.put(third, destination(big, mine[2]))
    assert part.refused == {third}
    assert not part.put(first, destination(big * 2, mine[0]))
    assert part.entries[first] == destination(big, mine[0])
    assert part.put(first, None)
    assert part.put(third, destination(big, mine[2]))
    assert part.refused == frozenset()


def test_a_full_shard_still_fits_into_a_secret() -> None:
    part = ShardState("n" * 253 + "/" + "m" * 253, SHARD)
    number = 0
    while not part.refused:
        name = f"n/{number}"
        if shards.shard_name(name) == SHARD:
            part.put(("destination", name), destination("https://a.example/" + "x" * 2000, name))
        number += 1
    attempt = part.begin(lambda: "r" * 16)
    assert attempt is not None
    assert len(attempt.data) <= shards.MOST_BYTES


def test_an_entry_is_in_the_shard_of_its_name() -> None:
    table = ShardedTable("t/main")
    assert table.part_of(WHAT).name == SHARD
    assert table.part_of(("account", NAME)) is table.part_of(WHAT)
    assert table.part_of(("settings", "t/main")).name == shards.SETTINGS
