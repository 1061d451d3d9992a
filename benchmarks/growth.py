"""What an update costs end to end, in CPU: by storage and replicas, by tenants, by what waits, by the size of its body.

Each round posts a fixed number of updates as fast as they are taken, to clients whose endpoint answers at once, and
waits for the last push. CPU is that of all servers and of the database; load and endpoint are not in it.
"""

import time
from collections.abc import Sequence
from statistics import median
from typing import Final

import msgspec

from cases import FIRST
from filling import WAITING, fill
from fleet import BenchmarkFleet, place, routing, running
from rig import Rig, SinkProcess
from stats import check_accepted, check_exactly_once, delivered_per_second
from support.manifests import Client

STORAGES: Final = ("sqlite", "postgres")
CONNECTIONS: Final = 64
TENANTS: Final = (10, 1_000, 10_000)
REPLICAS: Final = (1, 2, 4)
BY: Final = ("tenants", "backlog", "body")
BODIES: Final = (1, 4, 16, 64)
"""KiB."""
_KIB: Final = 1024
_BODY: Final = 959
"""Bytes of a body without padding."""
_TURNS: Final = 2
"""Updates that each tenant gets before what counts: every connection is open, every channel made."""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What runs, and how much there is of everything."""

    storage: str = "sqlite"
    replicas: int = 1
    tenants: int = 10
    backlog: int = 0
    """Pushes that wait for another PushConfig, which is suspended."""
    body_kib: int = 1
    updates: int = 10_000
    warm_up: int = 0
    """Updates before what counts, at least: those of the largest beside it, so that journals are of one size."""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """CPU in seconds for 10,000 updates."""

    throughput: float
    """Delivered pushes a second."""
    servers: float
    database: float

    @property
    def total(self) -> float:
        """Of both."""
        return self.servers + self.database

    @property
    def per_million(self) -> float:
        """CPU hours."""
        return self.total * 100 / 3600


def middle(rounds: list[Cost]) -> Cost:
    """The median of each figure."""
    return msgspec.convert(
        {name: median(getattr(measured, name) for measured in rounds) for name in Cost.__struct_fields__}, Cost
    )


async def measure(rig: Rig, shape: Shape) -> Cost:
    """One round."""
    with place(rig.folder, shape.storage) as where:
        if shape.backlog:
            await fill(where.journal(), shape.backlog, now=int(time.time() * 1000))
        async with rig.sink(["ok"]) as sink:
            clients = [rig.client(f"t{number}", sink.ports[0]) for number in range(shape.tenants)]
            waiting = Client(name=WAITING.partition("/")[0], url="http://127.0.0.1:1009/", suspended=True)
            async with running(where, routing([*clients, waiting], where), replicas=shape.replicas) as fleet:
                return await _drive(rig, shape, clients, fleet, sink)


async def _drive(rig: Rig, shape: Shape, clients: list[Client], fleet: BenchmarkFleet, sink: SinkProcess) -> Cost:
    padding = max(0, shape.body_kib * _KIB - _BODY) if shape.body_kib > 1 else 0
    settings: dict[str, float] = {"connections": CONNECTIONS, "padding": padding, "seconds": 3600}
    first = max(_TURNS * shape.tenants, shape.updates // 5, shape.warm_up)
    warm = await rig.load(fleet.ports, clients, count=first, first=0, **settings)
    await sink.until(len(warm.sent))
    before = fleet.cpu()
    posts = await rig.load(fleet.ports, clients, count=shape.updates, first=FIRST, **settings)
    check_accepted(posts)
    await sink.until(len(warm.sent) + len(posts.sent))
    after = fleet.cpu()
    pushes = await sink.stop()
    check_exactly_once(range(FIRST, FIRST + len(posts.sent)), pushes)
    scale = 10_000 / len(posts.sent)
    return Cost(
        throughput=delivered_per_second(posts, FIRST, pushes),
        servers=(after.servers - before.servers) * scale,
        database=(after.database - before.database) * scale,
    )


def tenants(storage: str, updates: int, counts: Sequence[int] = TENANTS) -> dict[str, Shape]:
    """By number of tenants."""
    warm_up = _TURNS * max(counts)
    return {
        f"{count:,} tenants": Shape(storage=storage, tenants=count, updates=updates, warm_up=warm_up)
        for count in counts
    }


def backlogs(storage: str, updates: int, sizes: Sequence[int]) -> dict[str, Shape]:
    """By pushes that wait."""
    return {f"{size:,} wait": Shape(storage=storage, backlog=size, updates=updates) for size in sizes}


def bodies(storage: str, updates: int) -> dict[str, Shape]:
    """By size of the body."""
    return {f"{size} KiB": Shape(storage=storage, body_kib=size, updates=updates) for size in BODIES}


def replicas(updates: int, counts: Sequence[int] = REPLICAS) -> dict[str, Shape]:
    """SQLite, and so many replicas on PostgreSQL."""
    found = {"SQLite": Shape(updates=updates)}
    for count in counts:
        found[f"PostgreSQL, {count}"] = Shape(storage="postgres", replicas=count, updates=updates)
    return found
