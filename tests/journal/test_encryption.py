"""Every adapter with encrypted bodies: turned on, rotated, turned off, and with a key that is missing."""

from journal.stores import OMS, Opened, Store, page_of, sealing, update
from trackpush_server.journal.model import Resealed, StoredPush

OLD, NEW = b"o" * 32, b"n" * 32


async def bodies(opened: Opened) -> list[bytes]:
    return [push.body for push in await pushes(opened)]


async def pushes(opened: Opened) -> tuple[StoredPush, ...]:
    return (await page_of(opened.journal, OMS, after=0, limit=1000)).pushes


async def reseal(opened: Opened, *, limit: int = 3) -> Resealed:
    """All of it; the sums of all steps."""
    total, after = Resealed(looked=0, resealed=0), 0
    while True:
        step = await opened.journal.encryption.reseal(after=after, limit=limit)
        total = Resealed(
            looked=total.looked + step.looked,
            resealed=total.resealed + step.resealed,
            unreadable=(*total.unreadable, *step.unreadable),
        )
        if step.next_after is None:
            return total
        after = step.next_after


async def test_what_was_stored_in_clear_stays_readable_when_encryption_is_turned_on(store: Store) -> None:
    async with store.open(sealer=sealing()) as opened:
        await opened.put_one(body=b'{"in":"clear"}')
    async with store.open(sealer=sealing(NEW)) as opened:
        assert await bodies(opened) == [b'{"in":"clear"}']
        await opened.put_one(body=b'{"is":"sealed"}')
        assert await bodies(opened) == [b'{"in":"clear"}', b'{"is":"sealed"}']


async def test_a_push_whose_key_is_missing_is_reported_and_the_others_are_read(store: Store) -> None:
    async with store.open(sealer=sealing(OLD)) as opened:
        lost = await opened.put_one()
    async with store.open(sealer=sealing(NEW)) as opened:
        kept = await opened.put_one()
        first, second = await pushes(opened)
        assert (first.update_id, first.notification, first.body) == (lost.update_id, b"", b"")
        assert first.unreadable is not None
        assert "is not among spec.encryption.keys" in first.unreadable
        assert (second.update_id, second.body, second.unreadable) == (kept.update_id, kept.update.body, None)
        fetched = await opened.journal.pushes.fetch(OMS, [lost.update_id, kept.update_id])
        assert [fetched[update_id].unreadable is None for update_id in (lost.update_id, kept.update_id)] == [
            False,
            True,
        ]
    async with store.open(sealer=sealing(NEW, OLD)) as opened:
        assert await bodies(opened) == [lost.update.body, kept.update.body]


async def test_a_reseal_stores_what_is_in_clear_or_under_an_old_key_under_the_first(store: Store) -> None:
    async with store.open(sealer=sealing()) as opened:
        await opened.put(*(update() for _ in range(4)))
    async with store.open(sealer=sealing(OLD)) as opened:
        await opened.put(*(update() for _ in range(4)))
    async with store.open(sealer=sealing(NEW, OLD)) as opened:
        await opened.put(*(update() for _ in range(3)))
        wanted = await bodies(opened)
        assert await reseal(opened) == Resealed(looked=11, resealed=8)
        assert await bodies(opened) == wanted
        assert await reseal(opened) == Resealed(looked=11, resealed=0)
    async with store.open(sealer=sealing(NEW)) as opened:
        assert await bodies(opened) == wanted


async def test_a_reseal_leaves_what_it_cannot_open_as_it_is_and_says_so(store: Store) -> None:
    async with store.open(sealer=sealing(OLD)) as opened:
        await opened.put_one()
    async with store.open(sealer=sealing(NEW)) as opened:
        done = await reseal(opened)
        assert (done.looked, done.resealed, len(done.unreadable)) == (1, 0, 1)
    async with store.open(sealer=sealing(OLD)) as opened:
        assert [push.unreadable for push in await pushes(opened)] == [None]


async def test_encryption_is_left_by_a_reseal_to_clear(store: Store) -> None:
    async with store.open(sealer=sealing(OLD)) as opened:
        await opened.put(update(), update())
        wanted = await bodies(opened)
    async with store.open(sealer=sealing(OLD, decrypt_only=True)) as opened:
        assert (await reseal(opened)).resealed == 2
    async with store.open(sealer=sealing()) as opened:
        assert await bodies(opened) == wanted


async def test_an_erased_update_stays_erased_over_a_reseal(store: Store) -> None:
    async with store.open(sealer=sealing(OLD)) as opened:
        gone = await opened.put_one()
        number = await opened.journal.erasures.begin("awb", "", now=1)
        await opened.journal.erasures.erase(number, [gone.update_id], now=1)
    async with store.open(sealer=sealing(NEW, OLD)) as opened:
        assert await reseal(opened) == Resealed(looked=1, resealed=0)
