"""Refusals in a row: counted for each sender, reported from 20 on by the operator, ended by the next 2xx."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from prometheus_client import CollectorRegistry

from support.bodies import body
from support.serving import account, serving, table
from trackpush_api.routing import Limits
from trackpush_api.vocabulary import Aggregator
from trackpush_server.server import Server
from trackpush_server.telemetry.refusals import ACCOUNTS, UNKNOWN, Refusals

ACME, ZETA = (
    account(Aggregator.CLICKPOST, "acme-key", name="acme/clickpost"),
    account(Aggregator.CLICKPOST, "zeta-key", name="zeta/clickpost"),
)
GOOD = body("clickpost", mark=1, shipment=1, second=1)


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def refuse(refusals: Refusals, account: str, times: int) -> None:
    for _ in range(times):
        refusals.of_account(account, refused=True)


def sample(registry: CollectorRegistry, metric: str, **labels: str) -> float | None:
    return registry.get_sample_value(metric, labels)


def test_one_answer_of_2xx_ends_a_row_and_other_accounts_do_not_matter() -> None:
    refusals = Refusals()
    refuse(refusals, "acme/clickpost", 25)
    refuse(refusals, "zeta/clickpost", 4)
    refusals.of_account("other/clickpost", refused=False)
    assert refusals.in_a_row == {"acme/clickpost": 25}
    refusals.of_account("acme/clickpost", refused=False)
    refuse(refusals, "acme/clickpost", 6)
    assert refusals.in_a_row == {"acme/clickpost": 6}


def test_an_account_that_is_deleted_is_forgotten() -> None:
    refusals = Refusals()
    refuse(refusals, "acme/clickpost", 25)
    refuse(refusals, "zeta/clickpost", 25)
    refusals.retain(["zeta/clickpost"])
    assert refusals.in_a_row == {"zeta/clickpost": 25}


def test_series_are_bounded_and_those_with_most_refusals_are_shown() -> None:
    registry, refusals = CollectorRegistry(), Refusals()
    registry.register(refusals)
    for number in range(1000):
        refuse(refusals, f"client-{number}/clickpost", 5 + number % 7)
    shown = [sample for family in registry.collect() if family.name == ACCOUNTS for sample in family.samples]
    assert len(shown) == 200
    assert min(sample.value for sample in shown) >= 10


def test_senders_with_different_unknown_keys_are_not_one_and_are_forgotten_after_an_hour() -> None:
    registry, clock = CollectorRegistry(), Clock()
    refusals = Refusals(clock)
    registry.register(refusals)
    for number in range(50):
        refusals.of_unknown("clickpost", f"guess-{number}")
    for _ in range(30):
        refusals.of_unknown("clickpost", "old-key")
    assert sample(registry, UNKNOWN, aggregator="clickpost") == 30
    clock.now = 3599
    assert sample(registry, UNKNOWN, aggregator="clickpost") == 30
    clock.now = 3601
    assert sample(registry, UNKNOWN, aggregator="clickpost") is None


def test_a_flood_of_unknown_keys_takes_bounded_memory() -> None:
    refusals = Refusals()
    for number in range(5000):
        refusals.of_unknown("clickpost", str(number))
    assert len(refusals._unknown) == 1000


async def post(session: aiohttp.ClientSession, server: Server, content: bytes, key: str) -> int:
    url = f"http://{server.address}/rms/in/api/clickpost/notify"
    async with session.post(url, data=content, headers={"x-api-key": key}) as answer:
        return answer.status


async def undelivered(session: aiohttp.ClientSession, server: Server) -> dict[str, int]:
    async with session.get(f"http://{server.admin_address}/undelivered") as answer:
        return {entry["name"]: entry["inARow"] for entry in (await answer.json())["refusedAccounts"]}


async def test_every_kind_of_refusal_of_a_known_key_counts_for_its_account_alone(tmp_path: Path) -> None:
    given = table(ACME, ZETA, limits=Limits(max_body_bytes=10_000, max_updates_per_body=1))
    refused = [
        (b"{", 400),
        (b" " * 20_000, 413),
        (b"[" + GOOD + b"," + GOOD + b"]", 413),
        (b"[" * 2000, 400),
        (b"no JSON", 400),
    ]
    async with serving(tmp_path, given) as server, aiohttp.ClientSession() as session:
        assert await post(session, server, GOOD, "zeta-key") == 200
        for content, status in refused:
            assert await post(session, server, content, "acme-key") == status
        assert await undelivered(session, server) == {"acme/clickpost": 5}
        assert await post(session, server, b"{}", "acme-key") == 200, "a probe"
        assert await undelivered(session, server) == {}


async def test_a_sender_with_a_key_that_nobody_has_is_counted_for_its_aggregator(tmp_path: Path) -> None:
    async with serving(tmp_path, table(ACME)) as server, aiohttp.ClientSession() as session:
        for _ in range(6):
            assert await post(session, server, GOOD, "an-old-key") == 401
            assert await post(session, server, GOOD, "acme-key") == 200
        async with session.get(f"http://{server.admin_address}/metrics") as answer:
            assert f'{UNKNOWN}{{aggregator="clickpost"}} 6.0' in await answer.text()
        assert await undelivered(session, server) == {}


@pytest.mark.usefixtures("processes")
async def test_the_refusals_of_all_receiving_processes_are_added(tmp_path: Path) -> None:
    async with serving(tmp_path, table(ACME), receivers=2) as server, aiohttp.ClientSession() as session:
        for _ in range(40):
            connection = aiohttp.TCPConnector(force_close=True)
            async with aiohttp.ClientSession(connector=connection) as once:
                assert await post(once, server, b"{", "acme-key") == 400

        async with asyncio.timeout(30):
            while (await undelivered(session, server)).get("acme/clickpost") != 40:
                pass  # each question is a turn of the loop
