"""Rates of the last day and week: counted as things happen, and kept through a restart."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from support.bodies import body
from support.deadline import until, until_found
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import account, serving, table
from support.sink import open_sink
from trackpush_api.routing import Destination, Retry, Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server import logs
from trackpush_server.admin.rates import busiest, died, rates
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.rollups import HOUR, NewTally, RollupSubject, Tallied, TallyRow
from trackpush_server.server import Server
from trackpush_server.telemetry.rollups import RollupCounts, tallies

NOW = 1_760_000_000.0


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    logs.configure("json", io.StringIO())
    yield
    structlog.reset_defaults()


def row(subject: RollupSubject, name: str, **week: int) -> TallyRow:
    """Of a subject that was as busy on the last day as on all others before."""
    half = {field: number // 2 for field, number in week.items()}
    return TallyRow(subject=subject, name=name, day=Tallied(**half), week=Tallied(**week))


ROWS = (
    row(RollupSubject.ACCOUNT, "acme/clickpost", received=10),
    row(RollupSubject.ACCOUNT, "acme/shipway", received=4),
    row(RollupSubject.ACCOUNT, "zen/clickpost", received=2),
    row(RollupSubject.ACCOUNT, "zen@u-1/clickpost", received=6),
    row(RollupSubject.PUSH_CONFIG, "acme/oms", delivered=8, failed=6, dead=2),
    row(RollupSubject.STATUS, "Clickpost/DELIVERED", received=12),
    row(RollupSubject.STATUS, "Clickpost/UNKNOWN", received=6),
    row(RollupSubject.STATUS, "Shipway/DELIVERED", received=4),
)


def test_clients_are_the_sums_of_their_accounts_and_push_configs_and_a_former_namespace_is_no_client() -> None:
    found = rates(ROWS, now=NOW, limit=10)

    assert [(each.name, each.week.received, each.day.received) for each in found.clients] == [
        ("acme", 14, 7),
        ("zen", 2, 1),
    ]
    acme = found.clients[0].week
    assert (acme.delivered, acme.failed, acme.dead) == (8, 6, 2)
    assert found.total.week.received == 22
    assert [(each.name, each.week.received) for each in found.aggregators] == [("Clickpost", 18), ("Shipway", 4)]
    assert [(each.name, each.week.received) for each in found.statuses] == [("DELIVERED", 16), ("UNKNOWN", 6)]
    assert (found.day_since, found.week_since) == ("2025-10-08T08:00:00Z", "2025-10-02T06:00:00Z")


def test_clients_come_in_pages() -> None:
    first = rates(ROWS, now=NOW, limit=1)
    second = rates(ROWS, now=NOW, after=first.after or "", limit=1)

    assert [each.name for each in (*first.clients, *second.clients)] == ["acme", "zen"]
    assert rates(ROWS, now=NOW, after="zen", limit=1).clients == ()


def test_the_busiest_come_first_and_only_the_last_day_counts_as_died() -> None:
    assert [each.name for each in busiest(rates(ROWS, now=NOW, limit=9).aggregators, 1)] == ["Clickpost"]
    assert died(ROWS) == {"acme/oms": 1}
    assert died((row(RollupSubject.PUSH_CONFIG, "acme/oms", dead=1),)) == {}


def test_an_update_counts_for_its_account_and_for_its_aggregator_with_its_status() -> None:
    found = tallies(
        {("acme/a", "DELIVERED"): 2, ("acme/a", "UNKNOWN"): 1, ("acme/gone", "DELIVERED"): 1},
        {("acme/oms", "dead"): 3},
        {"acme/a": "Clickpost"},
    )

    assert {(each.subject.name, each.name): each.tallied for each in found} == {
        ("ACCOUNT", "acme/a"): Tallied(received=3),
        ("ACCOUNT", "acme/gone"): Tallied(received=1),
        ("STATUS", "Clickpost/DELIVERED"): Tallied(received=2),
        ("STATUS", "Clickpost/UNKNOWN"): Tallied(received=1),
        ("STATUS", "/DELIVERED"): Tallied(received=1),
        ("PUSH_CONFIG", "acme/oms"): Tallied(dead=3),
    }


class FailingStore:
    """A journal that can't be written at first."""

    def __init__(self) -> None:
        self.added: list[tuple[int, tuple[NewTally, ...]]] = []
        self.merged: list[int] = []
        self.fails = True

    async def add(self, new: Sequence[NewTally], *, at: int) -> None:
        if self.fails:
            raise JournalUnavailableError("the disk is full")
        self.added.append((at, tuple(new)))

    async def merge(self, *, now: int) -> None:
        self.merged.append(now)


async def test_counts_wait_while_the_journal_cannot_store_and_are_added_once_in_slices() -> None:
    store: Any = FailingStore()
    clock = NOW
    counts = RollupCounts(store, store, served=lambda: None, wall=lambda: clock)
    counts.ended("acme/oms", "delivered")
    for _ in range(2):
        with pytest.raises(JournalUnavailableError):
            await counts.flush()
        counts.ended("acme/oms", "delivered")
        counts.ended("acme/oms", "dropped")
    for number in range(600):
        counts.ended(f"zen/{number}", "dead")
    store.fails = False
    clock -= 2 * HOUR / 1000  # the clock was set back
    await counts.flush()
    await counts.flush()

    hour = int(NOW * 1000) // HOUR * HOUR
    assert [(at, len(added)) for at, added in store.added] == [
        (hour, 1),
        (hour - 2 * HOUR, 500),
        (hour - 2 * HOUR, 101),
    ]
    every = [tally for _, added in store.added for tally in added]
    assert [tally.tallied for tally in every if tally.name == "acme/oms"] == [
        Tallied(delivered=1),
        Tallied(delivered=2),
    ]
    assert sum(tally.tallied.dead for tally in every) == 600


async def asked(server: Server, path: str) -> Any:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{server.admin_address}/api/v1/{path}") as answer,
    ):
        assert answer.status == 200, await answer.text()
        return await answer.json()


@EITHER_STORAGE
async def test_a_restart_loses_no_count(tmp_path: Path, storage: Storage) -> None:
    async with open_sink() as sink:
        given = table(
            account(Aggregator.CLICKPOST, "k"),
            destinations=[Destination(name="acme/push", url=sink.url, retry=Retry(schedule=(0.01,)))],
            storage=storage,
        )
        async with serving(tmp_path, given) as server, aiohttp.ClientSession() as session:
            url = f"http://{server.address}/rms/in/api/clickpost/notify?key=k"
            for mark in range(6):
                async with session.post(url, data=body("clickpost", mark=mark, shipment=mark, second=1)) as answer:
                    assert answer.status == 200
            await until(lambda: len(sink.arrivals) >= 6, seconds=30, what="the pushes")
            await server._journal.pushes.flush()
        async with serving(tmp_path, given) as server:
            found = await until_found(
                lambda: asked(server, "rates"), lambda found: found["total"]["week"]["delivered"] >= 6
            )

    assert (found["total"]["day"]["received"], found["total"]["week"]["received"]) == (6, 6)
    assert [each["name"] for each in found["clients"]] == ["acme"]
    assert [each["name"] for each in found["aggregators"]] == ["Clickpost"]
    assert sum(each["day"]["received"] for each in found["statuses"]) == 6
