"""Every adapter keeps the history of the configuration, each entry once, bounded, and through a restart."""

import asyncio

from journal.stores import NOW, Opened, Store
from trackpush_server.journal import config_history
from trackpush_server.journal.config_history import (
    MOST_BYTES,
    ConfigEntry,
    ConfigHead,
    FieldChange,
    NewConfigEntry,
    ResourceChange,
)

ADDED = ResourceChange(name="PushConfig acme/oms", action="added")
CHANGED = ResourceChange(
    name="PushConfig acme/oms",
    action="changed",
    fields=(
        FieldChange(path="delivery.timeout", old="10s", new="20s"),
        FieldChange(path="signing.secrets", hidden=True),
    ),
    more_fields=1,
)


def entry(number: int, *resources: ResourceChange, is_first: bool = False) -> NewConfigEntry:
    return NewConfigEntry(
        at=NOW + number,
        revision=f"r{number}",
        added=1,
        removed=2,
        changed=3,
        resources=resources,
        is_first=is_first,
    )


async def add(opened: Opened, number: int, *resources: ResourceChange) -> bool:
    return await opened.journal.config_history.append(
        entry(number, *resources), after=number - 1, resources={}, gone=()
    )


async def test_entries_and_fields_survive_a_restart(store: Store) -> None:
    oms, crm = "PushConfig acme/oms", "PushConfig acme/crm"
    async with store.open() as opened:
        history = opened.journal.config_history
        assert await history.head(since=0) is None
        assert await history.append(
            entry(1, is_first=True), after=0, resources={oms: {"timeout": "10s"}, crm: {"signing": True}}, gone=()
        )
        assert await history.append(entry(2, CHANGED), after=1, resources={oms: {"timeout": "20s"}}, gone=(crm,))
    async with store.open() as opened:
        assert await opened.journal.config_history.head(since=NOW + 2) == ConfigHead(
            id=2, revision="r2", recent=("r2",)
        )
        assert await opened.journal.config_history.resources() == {oms: {"timeout": "20s"}}
        newest, oldest = await opened.journal.search.config_history(before=None, limit=10)
        page = await opened.journal.search.config_history(before=2, limit=10)

    assert newest == ConfigEntry(
        id=2, at=NOW + 2, revision="r2", added=1, removed=2, changed=3, is_first=False, resources=(CHANGED,)
    )
    assert oldest.is_first
    assert page == (oldest,)


async def test_of_several_replicas_that_store_the_same_change_one_succeeds(store: Store) -> None:
    async with store.open() as opened:
        results = await asyncio.gather(*(add(opened, 1, ADDED) for _ in range(8)))
        entries = await opened.journal.search.config_history(before=None, limit=10)
    assert sorted(results) == [False] * 7 + [True]
    assert len(entries) == 1


async def test_the_history_keeps_the_newest_entries(store: Store) -> None:
    async with store.open() as opened:
        for number in range(1, config_history.MOST_ENTRIES + 4):
            assert await add(opened, number)
        kept = await opened.journal.search.config_history(before=None, limit=1000)
        assert len(kept) == config_history.MOST_ENTRIES
        assert await opened.journal.search.config_history(before=kept[-1].id, limit=10) == ()


async def test_an_entry_lists_only_as_many_resources_as_fit(store: Store) -> None:
    many = [ResourceChange(name=f"PushConfig acme/{number}", action="added") for number in range(2000)]
    async with store.open() as opened:
        await add(opened, 1, *many)
        (found,) = await opened.journal.search.config_history(before=None, limit=10)
    assert 0 < len(found.resources) < len(many)
    assert list(found.resources) == many[: len(found.resources)]
    assert len(config_history.encoded(tuple(many))) <= MOST_BYTES
