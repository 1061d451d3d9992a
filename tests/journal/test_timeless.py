"""Conformance: an update without a time is a duplicate of the last update of its shipment only."""

import asyncio
import itertools
import os
import random

from journal.stores import OMS, Store, timeless, update
from trackpush_server.journal.model import NewUpdate, Subject

STATUSES = ("OUT_FOR_DELIVERY", "DELIVERY_FAILED", "OUT_FOR_DELIVERY", "DELIVERY_FAILED")


async def test_a_status_that_comes_back_is_new_and_the_same_one_twice_in_a_row_is_not(store: Store) -> None:
    async with store.open() as opened:
        assert [await opened.put(timeless("S", status)) for status in STATUSES] == [1, 1, 1, 1]
        assert await opened.put(timeless("S", STATUSES[-1])) == 0
        assert len(await opened.pending_ids()) == 4
        assert [commit.update.status for commit in opened.committed] == list(STATUSES)


async def test_within_one_request_each_is_compared_with_the_one_before_it(store: Store) -> None:
    async with store.open() as opened:
        assert await opened.put(*(timeless("S", status) for status in "AABBABBBA")) == 5
        assert await opened.put(*(timeless("S", status) for status in "AAB")) == 1
        assert "".join(commit.update.status for commit in opened.committed) == "ABABAB"
        assert len(await opened.pending_ids()) == 6


async def test_the_last_one_is_known_after_a_restart(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(timeless("S", "A"))
    async with store.open() as opened:
        assert await opened.put(timeless("S", "A")) == 0
        assert await opened.put(timeless("S", "B")) == 1


async def test_other_shipments_and_other_accounts_between_do_not_matter(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(timeless("S", "A"))
        assert await opened.put(timeless("T", "A"), timeless("S", "B", account="acme/shipway")) == 2
        assert await opened.put(timeless("S", "A")) == 0


async def test_an_update_with_a_time_between_makes_the_same_report_new_again(store: Store) -> None:
    async with store.open() as opened:
        dated = update(shipment="S")
        assert await opened.put(timeless("S", "A"), dated, timeless("S", "A")) == 3
        assert await opened.put(timeless("S", "A"), dated, timeless("S", "A")) == 0, "a duplicate stands between none"


async def test_pushes_go_with_the_updates_that_are_kept(store: Store) -> None:
    async with store.open() as opened:
        kept = timeless("S", "B", to=["acme/crm"])
        await opened.put(timeless("S", "A"), timeless("S", "A", to=[OMS, "acme/crm"]), kept, timeless("S", "B"))
        first, second = opened.committed
        assert await opened.pending_ids(OMS) == [first.update_id]
        assert await opened.pending_ids("acme/crm") == [second.update_id]
        assert second.update == kept


async def test_lateness_is_reported_for_the_right_update_of_a_batch_with_repeats(store: Store) -> None:
    async with store.open() as opened:
        await opened.put(timeless("S", "A"), update(shipment="T", occurred_at=200))
        await opened.put(timeless("S", "A"), timeless("S", "B"), update(shipment="T", occurred_at=100))
        assert [(commit.update.shipment, commit.late) for commit in opened.committed[2:]] == [("S", ()), ("T", (OMS,))]


async def test_of_many_at_once_one_is_stored(store: Store) -> None:
    async with store.open() as opened:
        counts = await asyncio.gather(*(opened.journal.updates.append([timeless("S", "A")]) for _ in range(50)))
        assert sorted(counts) == [0] * 49 + [1]
        assert len(opened.committed) == len(await opened.pending_ids()) == 1


async def test_what_was_erased_does_not_come_back_with_the_next_retry(store: Store) -> None:
    async with store.open() as opened:
        stored = await opened.put_one()
        await opened.put(timeless("S", "A"))
        erasable = await opened.journal.erasures.find(Subject(awb="S"), after=0, limit=10)
        number = await opened.journal.erasures.begin("awb", "", now=1)
        await opened.journal.erasures.erase(number, erasable.update_ids, now=1)
        await opened.journal.erasures.end(number, now=1)
        assert await opened.put(timeless("S", "A")) == 0
        assert await opened.pending_ids() == [stored.update_id]


async def test_any_batches_store_what_one_request_after_the_other_would(store: Store) -> None:
    seed = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"TRACKPUSH_SEED={seed}")  # noqa: T201  shown when it fails, to run it again
    chosen = random.Random(seed)  # noqa: S311
    dated = [update(shipment=shipment) for shipment in "ST" for _ in range(2)]

    def report() -> NewUpdate:
        return chosen.choice(dated) if chosen.random() < 0.3 else timeless(chosen.choice("ST"), chosen.choice("AB"))

    async with store.open() as opened:
        total, accepted = 0, 0
        last = {"S": "", "T": ""}
        known: set[bytes] = set()
        for _ in range(30):
            requests = [[report() for _ in range(chosen.randint(1, 4))] for _ in range(chosen.randint(1, 4))]
            total += sum(await asyncio.gather(*(opened.journal.updates.append(request) for request in requests)))
            for sent in itertools.chain.from_iterable(requests):
                said = sent.status if sent.timeless else sent.key.hex()
                new = last[sent.shipment] != said if sent.timeless else sent.key not in known
                if not sent.timeless:
                    known.add(sent.key)
                if new:
                    last[sent.shipment] = said
                    accepted += 1
        assert total == accepted == len(opened.committed)
