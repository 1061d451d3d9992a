"""Two servers on one database, of which each was given another `--lease`, as while the option rolls out."""

import asyncio
import random
from collections import defaultdict
from pathlib import Path

import pytest

from support.deadline import until
from support.load import Aggregator, Pace, open_aggregator, stream
from support.manifests import Client, write
from support.server import ServerProcess, running
from support.sink import Arrival, Sink, open_sink

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
QUICK, PATIENT = 5, 40
"""Seconds. A beat of the patient one comes every eight: by the other's lease it would be dead by then."""
CLIENTS = 12
PACE = Pace(rate=5, shipments=4, workers=4)


class Lanes:
    """A client that takes its time, and what it saw at once of one shipment."""

    def __init__(self) -> None:
        self.open: defaultdict[tuple[str, int], int] = defaultdict(int)
        self.overlaps: list[tuple[str, int]] = []

    async def take(self, arrival: Arrival) -> int:
        assert arrival.mark is not None
        lane = (arrival.headers["x-client-key"], arrival.mark % PACE.shipments)
        if self.open[lane]:
            self.overlaps.append(lane)
        self.open[lane] += 1
        await asyncio.sleep(random.uniform(0.1, 0.4))  # noqa: S311  no secret
        self.open[lane] -= 1
        return 200


async def test_replicas_with_different_leases_never_send_one_lane_at_the_same_time(
    tmp_path: Path, postgres_dsn: str
) -> None:
    """The option is changed as a rolling update does it: one replica after the other."""
    lanes = Lanes()
    async with open_sink(lanes.take) as sink:
        clients = [Client(name=f"client-{number}", url=sink.url) for number in range(CLIENTS)]
        settings = {"storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}}
        resources = write(tmp_path / "resources", clients, settings, dsn=postgres_dsn)
        async with (
            running(resources, tmp_path / "a", arguments=("--lease", f"{QUICK}s")) as quick,
            running(resources, tmp_path / "b", arguments=("--lease", f"{PATIENT}s")) as patient,
        ):
            await _both_hold_slots(quick, patient)
            posting = _Posting()
            for client in clients:
                await posting.start(patient.url, client)
            await posting.until_seconds(4 * QUICK)
            await quick.terminate()
            async with running(resources, tmp_path / "a", arguments=("--lease", f"{PATIENT}s")) as changed:
                await _both_hold_slots(changed, patient)
                await posting.until_seconds(2 * QUICK)
                accepted = await posting.stop()
                await until(lambda: len(_arrived(sink)) >= accepted, seconds=60, what=patient.tail)
                for server in (quick, patient, changed):
                    assert server.logged("replica_dead") is None, server.tail()
                assert patient.logged("slots_lost") is None, patient.tail()
                assert patient.logged("leases_differ") is not None
                assert quick.logged("leases_differ") is None
    assert lanes.overlaps == []
    assert len(sink.arrivals) == len(_arrived(sink)), "a push was sent twice"


class _Posting:
    """Every client's aggregator, at a steady pace."""

    def __init__(self) -> None:
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._aggregators: list[Aggregator] = []

    async def start(self, url: str, client: Client) -> None:
        started = asyncio.Event()

        async def post() -> None:
            async with open_aggregator(url, client) as aggregator:
                self._aggregators.append(aggregator)
                started.set()
                await stream(aggregator, PACE, stop=self._stop, resend=lambda _: not self._stop.is_set())

        self._tasks.append(asyncio.create_task(post()))
        await started.wait()

    async def until_seconds(self, seconds: float) -> None:
        """Until so many seconds' worth of updates were accepted, counted in updates."""
        wanted = self._accepted() + int(seconds * PACE.rate * CLIENTS)
        await until(lambda: self._accepted() >= wanted, seconds=120, what="posts")

    async def stop(self) -> int:
        """How many were accepted."""
        self._stop.set()
        await asyncio.gather(*self._tasks)
        return self._accepted()

    def _accepted(self) -> int:
        return sum(len(aggregator.accepted) for aggregator in self._aggregators)


def _arrived(sink: Sink) -> set[str]:
    return {arrival.webhook_id for arrival in sink.arrivals}


async def _both_hold_slots(*servers: ServerProcess) -> None:
    for server in servers:
        async with asyncio.timeout(60):
            while "trackpush_slots_held 64.0" not in (await server.probe("/metrics")).text:  # noqa: ASYNC110  over HTTP
                await asyncio.sleep(0.1)
