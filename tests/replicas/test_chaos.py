"""docs/guarantees.md over three replicas and their database, while a seeded schedule kills, pauses, restarts them."""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

import pytest

from replicas.cluster import HEADER, Fault, Feed, Replica, Watcher, by_mark
from support.deadline import until
from support.manifests import Client
from support.postgres import Server
from support.sink import Arrival, Sink, open_sink

REPLICAS = 3
LEASE = 3.0
ACTIONS = 7
SHIPMENTS = 24
RATE = 40.0
TIMEOUT = 8.0
SINK_LAG = 1.5
"""Seconds that an arrival may be seen later than it was sent: this test's loop shares the cores with all processes."""
AGGREGATORS = ("clickpost", "shiprocket", "shipway", "clickpost")


class MoodyClient:
    """A client that fails now and then, or takes its time."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.answered: dict[int, list[tuple[float, int]]] = defaultdict(list)
        """When each mark was answered, and with what."""

    async def __call__(self, arrival: Arrival) -> int:
        """Answer."""
        chance = self._rng.random()
        await asyncio.sleep(0.2 if chance < 0.1 else 0)
        status = 503 if chance > 0.97 else 200
        assert arrival.mark is not None
        self.answered[arrival.mark].append((time.monotonic(), status))
        return status


class Chaos:
    """The schedule."""

    def __init__(self, rng: random.Random, replicas: Sequence[Replica], database: Server) -> None:
        self.faults: list[Fault] = []
        self._rng = rng
        self._replicas = replicas
        self._database = database

    async def run(self) -> None:
        """All actions; in the end everything runs."""
        actions = [self.kill, self.kill, self.pause, self.pause, self.pause, self.end, self.restart_database]
        for _ in range(ACTIONS):
            await asyncio.sleep(self._rng.uniform(0.5, 2.0))
            await self._rng.choice(actions)(self._rng.choice(self._replicas))

    async def kill(self, replica: Replica) -> None:
        """As a power cut."""
        with self._fault(replica.name, "kill -9"):
            await replica.server.kill()
            await asyncio.sleep(self._rng.choice((0.0, 1.5 * LEASE)))
            await replica.start()

    async def pause(self, replica: Replica) -> None:
        """Shorter or longer than its lease."""
        with self._fault(replica.name, "paused"):
            replica.signal(signal.SIGSTOP)
            await asyncio.sleep(LEASE * self._rng.uniform(0.3, 2.2))
            replica.signal(signal.SIGCONT)

    async def end(self, replica: Replica) -> None:
        """As an upgrade does."""
        with self._fault(replica.name, "SIGTERM"):
            await replica.end()
            await replica.start()

    async def restart_database(self, _: Replica) -> None:
        """With all its connections."""
        with self._fault("database", "restarted"):
            await asyncio.to_thread(self._database.stop)
            await asyncio.sleep(self._rng.choice((0.0, 1.2 * LEASE)))
            await asyncio.to_thread(self._database.start)

    @contextlib.contextmanager
    def _fault(self, who: str, what: str) -> Iterator[None]:
        fault = Fault(who=who, what=what, begun_at=time.monotonic())
        self.faults.append(fault)
        yield
        fault.ended_at = time.monotonic()


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_nothing_is_lost_overtaken_or_sent_by_two_whatever_happens_to_replicas_and_database(
    tmp_path: Path, own_postgres: Server
) -> None:
    seed = int(os.environ.get("TRACKPUSH_SEED") or random.SystemRandom().randrange(2**32))
    print(f"seed: TRACKPUSH_SEED={seed}")  # noqa: T201  pytest shows it when the test fails
    rng = random.Random(seed)  # noqa: S311  moments, not secrets
    client = MoodyClient(random.Random(seed))  # noqa: S311  same
    dsn = own_postgres.dsn(await asyncio.to_thread(own_postgres.create_database))
    async with open_sink(client) as sink, contextlib.AsyncExitStack() as stack:
        delivery = {"retry": {"schedule": ["100ms", "500ms"]}, "timeout": f"{TIMEOUT:g}s"}
        clients = [
            Client(name=f"client-{number}", url=sink.url, aggregator=aggregator, delivery=delivery)
            for number, aggregator in enumerate(AGGREGATORS)
        ]
        arguments = ("--lease", f"{LEASE:g}s", "--drain-grace", "10s")
        replicas = [Replica(tmp_path, name, dsn, clients, arguments) for name in "abc"[:REPLICAS]]
        for replica in replicas:
            stack.push_async_callback(replica.server.close)
        await asyncio.gather(*(replica.start() for replica in replicas))
        await asyncio.gather(*(replica.server.until_ready() for replica in replicas))
        watcher = Watcher(dsn)
        watching = asyncio.create_task(watcher.run())
        stop = asyncio.Event()
        feed = Feed(replicas, clients, shipments=SHIPMENTS, rate=RATE)
        posting = asyncio.create_task(feed.run(stop))
        chaos = Chaos(rng, replicas, own_postgres)
        await chaos.run()
        stop.set()
        await asyncio.wait_for(posting, 60)
        await until(
            lambda: feed.accepted.keys() <= sink.marks,
            seconds=60,
            what=lambda: (
                f"{len(feed.accepted.keys() - sink.marks)} of {len(feed.accepted)} accepted are lost: "
                f"{sorted(feed.accepted.keys() - sink.marks)[:10]}\n"
                + "\n".join(replica.server.tail() for replica in replicas)
            ),
        )
        for replica in replicas:
            await replica.end()
        watching.cancel()
    print(  # noqa: T201
        f"{len(feed.accepted)} updates in {feed.tries} posts, {len(sink.arrivals)} arrivals, faults: "
        + ", ".join(f"{fault.who} {fault.what} {fault.ended_at - fault.begun_at:.1f} s" for fault in chaos.faults)
    )
    assert len(feed.accepted) > 200, "the load hardly got through: the test proves nothing"
    _assert_ids(sink)
    _assert_order(sink)
    _assert_owners(sink, replicas, watcher)
    _assert_repeats(sink, client, [*chaos.faults, *_losses(replicas)])


def _assert_ids(sink: Sink) -> None:
    ids = {mark: {arrival.webhook_id for arrival in arrivals} for mark, arrivals in sink.by_mark().items()}
    assert all(len(found) == 1 for found in ids.values()), "an update was pushed under several ids"
    assert len({next(iter(found)) for found in ids.values()}) == len(ids), "two updates share an id"


def _assert_order(sink: Sink) -> None:
    shipments: dict[int, list[int]] = defaultdict(list)
    for mark in dict.fromkeys(arrival.mark for arrival in sink.arrivals if arrival.mark is not None):
        shipments[mark % SHIPMENTS].append(mark)
    for shipment, marks in shipments.items():
        wrong = [pair for pair in itertools.pairwise(marks) if pair[0] > pair[1]]
        assert not wrong, f"shipment {shipment} was pushed out of order: {wrong}\n{_story(sink, wrong[0])}"
    late = [arrival.mark for arrival in sink.arrivals if b'"late":true' in arrival.body]
    assert not late, f"pushed as late although in order: {late[:10]}"


def _assert_owners(sink: Sink, replicas: Sequence[Replica], watcher: Watcher) -> None:
    """Whatever arrives comes from a process that owned its slot a moment ago."""
    pids = by_mark(replicas)
    for arrival in sink.arrivals:
        assert arrival.mark is not None
        push_config = f"client-{arrival.mark % SHIPMENTS % len(AGGREGATORS)}/push"
        pid = pids[arrival.headers[HEADER]]
        blind = any(
            gap.begun_at <= arrival.at and gap.ended_at >= arrival.at - SINK_LAG and gap.ended_at - gap.begun_at > 1
            for gap in watcher.blind
        )
        assert blind or watcher.owned(push_config, pid, arrival.at - SINK_LAG, arrival.at + SINK_LAG), (
            f"update {arrival.mark} came at {arrival.at:.3f} from {arrival.headers[HEADER]} ({pid}),"
            f" which had not {push_config}:"
            f" {[(round(o.since, 3), o.pid) for o in watcher.history[push_config]]}\n{_story(sink, (arrival.mark,))}"
        )


def _assert_repeats(sink: Sink, client: MoodyClient, faults: Sequence[Fault]) -> None:
    """After a 200 a push comes again only where its sender, or the database, broke before that was on disk."""
    repeated = 0
    for mark, arrivals in sink.by_mark().items():
        answers = client.answered[mark]
        for index, (answered_at, status) in enumerate(answers[:-1]):
            if status != 200:
                continue
            repeated += 1
            sender = arrivals[min(index, len(arrivals) - 1)].headers[HEADER].partition(".")[0]
            again = arrivals[index + 1].at
            explained = again - arrivals[index].at >= TIMEOUT or any(
                fault.who in {sender, "database"} and fault.begun_at <= again and fault.ended_at >= answered_at - LEASE
                for fault in faults
            )
            assert explained, f"update {mark} was sent again without a reason\n{_story(sink, (mark,))}"
    print(f"{repeated} sent again after an answer that may have been lost")  # noqa: T201


def _losses(replicas: Sequence[Replica]) -> list[Fault]:
    """A replica that was starved of CPU for its lease's time loses its slots, too."""
    ahead = time.time() - time.monotonic()
    found = []
    for replica in replicas:
        for line in replica.server.log:
            if line.get("event") == "slots_lost":
                at = datetime.fromisoformat(line["time"]).timestamp() - ahead
                found.append(Fault(who=replica.name, what="lost its slots", begun_at=at - TIMEOUT, ended_at=at + 1.0))
    return found


def _story(sink: Sink, marks: Sequence[int]) -> str:
    """What arrived of these, for the message of a failed test."""
    return "\n".join(
        f"{arrival.at:.3f} {arrival.mark} from {arrival.headers[HEADER]}"
        for arrival in sink.arrivals
        if arrival.mark in marks
    )
