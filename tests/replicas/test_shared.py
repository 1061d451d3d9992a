"""Two servers on one database: what one receives the other sends, and what is bounded is bounded for both together."""

import asyncio
import contextlib
import itertools
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from support.authority import open_authority
from support.bodies import awb, body
from support.deadline import until
from support.serving import HeldSource, account, serving, table
from support.sink import Arrival, Sink, hang, open_sink
from trackpush_api.routing import Destination, Postgres, RateLimit, Retry, RoutingTable
from trackpush_api.vocabulary import Aggregator
from trackpush_server.journal.slots import SLOTS, slot_of
from trackpush_server.server import Server

KEY = {"x-api-key": "the-key"}
QUICK = Retry(schedule=(0.05,), jitter=0.0)


class Pair:
    """Two running servers. Slots are shared equally, so each sends about half of the PushConfigs."""

    def __init__(self, servers: Sequence[Server], names: Sequence[str]) -> None:
        self.servers = list(servers)
        self._names = names

    def owner(self, name: str) -> Server:
        """Who sends it."""
        return next(server for server in self.servers if server._ownership.holds(name))

    def other(self, name: str) -> Server:
        """Who doesn't."""
        return next(server for server in self.servers if not server._ownership.holds(name))

    async def until_shared(self) -> None:
        """Wait until each PushConfig is sent by one, and each of both sends some."""
        await until(
            lambda: (
                all(sum(server._ownership.holds(name) for server in self.servers) == 1 for name in self._names)
                and all(any(server._ownership.holds(name) for name in self._names) for server in self.servers)
            ),
            seconds=30,
            what="the slots are shared",
        )


def routing(dsn: str, *destinations: Destination) -> RoutingTable:
    names = [destination.name for destination in destinations]
    accounts = [account(Aggregator.CLICKPOST, "the-key", destinations=names)]
    return table(*accounts, destinations=destinations, storage=Postgres(dsn=dsn))


@contextlib.asynccontextmanager
async def two(folder: Path, dsn: str, *destinations: Destination) -> AsyncIterator[Pair]:
    """Two servers that share the slots already."""
    given = routing(dsn, *destinations)
    async with serving(folder / "a", given, lease=5.0) as first, serving(folder / "b", given, lease=5.0) as second:
        pair = Pair([first, second], [destination.name for destination in destinations])
        await pair.until_shared()
        yield pair


def to(sink: Sink, name: str, **options: object) -> Destination:
    return replace(Destination(name=name, url=sink.url, retry=QUICK), **options)


def several(sink: Sink, **options: object) -> list[Destination]:
    """Six, of which each of two servers sends some: half of them are in the lower slots, half in the upper ones."""
    names = [f"acme/push-{number}" for number in range(100)]
    low, high = ([name for name in names if (slot_of(name) < SLOTS // 2) is lower][:3] for lower in (True, False))
    return [to(sink, name, **options) for name in low + high]


async def post(server: Server, *marks: int, shipment: int | None = None) -> None:
    async with aiohttp.ClientSession() as session:
        for mark in marks:
            content = body("clickpost", mark=mark, shipment=mark if shipment is None else shipment, second=mark)
            url = f"http://{server.address}/rms/in/api/clickpost/notify"
            async with session.post(url, data=content, headers=KEY) as answer:
                assert answer.status == 200, await answer.text()


async def get(server: Server, path: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(f"http://{server.admin_address}{path}") as answer:
        assert answer.status == 200
        return await answer.text()


async def test_what_any_replica_receives_arrives_once_and_in_order(tmp_path: Path, journal_dsn: str) -> None:
    async with open_sink() as sink, two(tmp_path, journal_dsn, *several(sink)) as pair:
        for mark in range(40):
            await post(pair.servers[mark % 2], mark, shipment=7)
        await until(lambda: len(sink.arrivals) >= 240, seconds=30, what=lambda: f"{len(sink.arrivals)} of 240")
        assert Counter(arrival.mark for arrival in sink.arrivals) == dict.fromkeys(range(40), 6)
        by_config: dict[str, list[int | None]] = {}
        for arrival in sink.arrivals:
            by_config.setdefault(arrival.webhook_id.rpartition("-")[2], []).append(arrival.mark)
        assert set(map(tuple, by_config.values())) == {tuple(range(40))}


async def test_each_replica_reports_only_what_it_sends_and_is_ready_whatever_that_is(
    tmp_path: Path, journal_dsn: str
) -> None:
    async def down(_: Arrival) -> int:
        return 503

    async with open_sink(down) as sink, two(tmp_path, journal_dsn, *several(sink)) as pair:
        for server in pair.servers:
            await post(server, *range(10 * pair.servers.index(server), 10 * pair.servers.index(server) + 10))
        told: list[list[str]] = []

        async def all_fail() -> bool:
            texts = [json.loads(await get(server, "/undelivered"))["pushConfigs"] for server in pair.servers]
            told[:] = [[push_config["name"] for push_config in text] for text in texts]
            return sum(map(len, told)) >= 6

        deadline = time.monotonic() + 30
        while not await all_fail():
            assert time.monotonic() < deadline, f"told: {told}"
            await asyncio.sleep(0.05)
        for server, names in zip(pair.servers, told, strict=True):
            assert names == sorted(
                destination.name for destination in several(sink) if server._ownership.holds(destination.name)
            )
            assert [snapshot.push_config for snapshot in server._dispatcher.snapshot()] == names
            metrics = await get(server, "/metrics")
            assert metrics.count('trackpush_breaker_state{push_config="acme/push-') == 5 * len(names)
            assert "trackpush_slots_held 64.0" in metrics
            await get(server, "/readyz")


async def test_a_rate_limit_holds_for_all_replicas_together_and_gives_a_tenth_at_a_hand_over(
    tmp_path: Path, journal_dsn: str
) -> None:
    limit = RateLimit(requests=20, per=1.0)
    async with open_sink() as sink:
        destinations = several(sink)
        name = destinations[0].name
        destinations[0] = replace(destinations[0], rate_limit=limit)
        given = routing(
            journal_dsn, destinations[0], *(replace(destination, suspended=True) for destination in destinations[1:])
        )
        async with contextlib.AsyncExitStack() as stack:
            servers = [await stack.enter_async_context(serving(tmp_path / name, given, lease=5.0)) for name in "ab"]
            pair = Pair(servers, [destination.name for destination in destinations])
            await pair.until_shared()
            for number, server in enumerate(servers):
                await post(server, *range(100 * number, 100 * number + 40))
            await until(lambda: len(sink.arrivals) >= 30, seconds=30, what="some arrived")
            pair.owner(name)._ownership.drain()
            await until(lambda: len(sink.arrivals) >= 80, seconds=30, what=lambda: f"{len(sink.arrivals)} of 80")
        times = [arrival.at for arrival in sink.arrivals]
        burst = 2
        for first, last in itertools.combinations(range(len(times)), 2):
            allowed = limit.requests * (times[last] - times[first] + 0.25) + 2 * burst + 1
            assert last - first + 1 <= allowed, f"{last - first + 1} in {times[last] - times[first]:.3f} s"


async def test_a_failing_endpoint_is_probed_by_one_replica_alone(
    tmp_path: Path, journal_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trackpush_server.pusher.breaker.PROBE_DELAYS", (0.05,))
    under_way = most = 0
    opened = asyncio.Event()

    async def down(_: Arrival) -> int:
        nonlocal under_way, most
        under_way += opened.is_set()
        most = max(most, under_way)
        await asyncio.sleep(0.02)
        under_way -= opened.is_set()
        return 503

    never_again = Retry(schedule=(3600.0,), max_age=72 * 3600.0, jitter=0.0)
    async with open_sink(down) as sink:
        destinations = several(sink, retry=never_again)
        destinations[1:] = [replace(destination, suspended=True) for destination in destinations[1:]]
        async with two(tmp_path, journal_dsn, *destinations) as pair:
            owner = pair.owner(destinations[0].name)
            for number, server in enumerate(pair.servers):
                await post(server, *range(100 * number, 100 * number + 20))
            await until(lambda: len(owner._dispatcher.troubles()) == 1, seconds=30, what="the breaker is open")
            await until(
                lambda: all(snapshot.in_flight == 0 for snapshot in owner._dispatcher.snapshot()),
                seconds=30,
                what="a pause",
            )
            opened.set()
            before = len(sink.arrivals)
            await until(lambda: len(sink.arrivals) > before + 5, seconds=30, what="probes")
            assert most == 1
            assert pair.other(destinations[0].name)._dispatcher.troubles() == ()


async def test_a_token_is_asked_for_once_by_whoever_sends(tmp_path: Path, journal_dsn: str) -> None:
    """One more at a hand-over: the next owner gets a token of its own."""
    async with open_authority() as authority, open_sink() as sink:
        destinations = several(sink)
        name = destinations[0].name
        destinations[0] = replace(destinations[0], oauth2=authority.credentials)
        destinations[1:] = [replace(destination, suspended=True) for destination in destinations[1:]]
        async with two(tmp_path, journal_dsn, *destinations) as pair:
            for number, server in enumerate(pair.servers):
                await post(server, *range(100 * number, 100 * number + 10))
            await until(lambda: len(sink.arrivals) == 20, seconds=30, what=lambda: f"{len(sink.arrivals)} of 20")
            assert len(authority.asked) == 1
            former, other = pair.owner(name), pair.other(name)
            former._ownership.drain()
            await until(lambda: other._ownership.holds(name), seconds=30, what="it is handed over")
            await post(former, 500)
            await until(lambda: len(sink.arrivals) == 21, seconds=30, what="the other one sends")
            assert len(authority.asked) == 2


async def test_a_replay_or_an_erasure_asked_of_one_replica_reaches_the_one_that_sends(
    tmp_path: Path, journal_dsn: str
) -> None:
    async with open_sink() as sink:
        destinations = several(sink)
        destinations[1:] = [replace(destination, suspended=True) for destination in destinations[1:]]
        async with two(tmp_path, journal_dsn, *destinations) as pair:
            name = destinations[0].name
            owner, other = pair.owner(name), pair.other(name)
            await post(other, 1)
            await until(lambda: len(sink.arrivals) == 1, seconds=30, what="the first delivery")
            await owner._journal.pushes.flush()
            async with aiohttp.ClientSession() as session:
                asked = {"pushConfig": name, "states": ["delivered"]}
                async with session.post(f"http://{other.admin_address}/api/v1/replays", json=asked) as answer:
                    assert answer.status == 202, await answer.text()
                await until(lambda: len(sink.arrivals) == 2, seconds=30, what="the replay")
                sink.behaviour = hang
                await post(other, 2, 3, shipment=50)
                await until(lambda: len(sink.arrivals) == 3, seconds=30, what="the head is under way")
                asked_to_forget = {"awb": awb(50)}
                async with session.post(
                    f"http://{other.admin_address}/api/v1/erasures", json=asked_to_forget
                ) as answer:
                    assert answer.status == 202, await answer.text()
            await until(
                lambda: (
                    [snapshot.in_memory for snapshot in owner._dispatcher.snapshot() if snapshot.push_config == name]
                    == [1]
                ),
                seconds=30,
                what=lambda: f"one is forgotten: {owner._dispatcher.snapshot()}",
            )


async def test_a_server_keeps_its_storage_until_it_is_started_again(tmp_path: Path, journal_dsn: str) -> None:
    source = HeldSource(routing(journal_dsn))
    async with serving(tmp_path, source=source) as server:
        source.loaded = replace(source.loaded, table=table())
        await until(lambda: bool(server._store.problems), seconds=30, what="the refusal")
        assert "restart it to use SQLite" in server._store.problems[0]
        assert journal_dsn not in str(server._store.problems)
