"""The cases (a) bare handler, (b) durable ingest, (c) end to end, (e) the same with encrypted bodies.

One round of each, closed loop or at a fixed rate.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

import procstat
from records import PostLog
from rig import Meter, Rig, SinkProcess
from stats import (
    Figures,
    answer_times,
    check_accepted,
    check_exactly_once,
    delivered_per_second,
    push_delays,
    quantile,
    seconds_of,
)
from support.manifests import Client

FIRST = 10_000_000
"""First mark that counts; the warm-up has those before."""


class Drive(msgspec.Struct, frozen=True, kw_only=True):
    """How hard and how long. ``rate`` 0 is closed loop."""

    seconds: float
    connections: int = 64
    rate: float = 0.0
    warmup: float = 1.5


async def _warm_up(rig: Rig, port: int, clients: Sequence[Client], drive: Drive) -> int:
    log = await rig.load(port, clients, seconds=drive.warmup, connections=drive.connections, rate=drive.rate, first=0)
    return len(log.sent)


async def _measure(rig: Rig, port: int, clients: Sequence[Client], drive: Drive) -> PostLog:
    log = await rig.load(
        port, clients, seconds=drive.seconds, connections=drive.connections, rate=drive.rate, first=FIRST
    )
    check_accepted(log)
    return log


def _figures(posts: PostLog, meter: Meter, pid: int) -> Figures:
    times = answer_times(posts)
    return Figures(
        throughput=len(times) / seconds_of(posts),
        answer_p50=quantile(times, 0.5),
        answer_p99=quantile(times, 0.99),
        answer_max=max(times),
        cpu_per_10k=meter.per_10k(len(times)),
        peak_mib=procstat.usage(pid).peak_mib,
    )


async def bare(rig: Rig, drive: Drive) -> Figures:
    """(a)."""
    clients = [rig.client("bench", 1)]
    async with rig.bare() as handler:
        await _warm_up(rig, handler.port, clients, drive)
        meter = Meter(handler.pid)
        posts = await _measure(rig, handler.port, clients, drive)
        return _figures(posts, meter, handler.pid)


async def ingest(rig: Rig, drive: Drive) -> Figures:
    """(b): every update is stored with its push, but the PushConfig is suspended."""
    clients = [rig.client("bench", 1, suspended=True)]
    async with rig.server(clients) as server:
        await _warm_up(rig, server.port, clients, drive)
        meter = Meter(server.pid)
        posts = await _measure(rig, server.port, clients, drive)
        return _figures(posts, meter, server.pid)


ENCRYPTED: Final = {"encryption": {"keys": [{"secretKeyRef": {"name": "journal", "key": "key"}}]}}


async def end_to_end(rig: Rig, drive: Drive, settings: Mapping[str, Any] | None = None) -> Figures:
    """(c): one client whose endpoint answers at once. Throughput is that of pushes, their tail included."""
    async with rig.sink(["ok"]) as sink:
        clients = [rig.client("bench", sink.ports[0])]
        async with rig.server(clients, settings) as server:
            warm = await _warm_up(rig, server.port, clients, drive)
            await sink.until(warm)
            meter = Meter(server.pid)
            posts = await _measure(rig, server.port, clients, drive)
            await sink.until(warm + len(posts.sent))
            figures = _figures(posts, meter, server.pid)
            return await _with_pushes(figures, posts, sink)


async def encrypted(rig: Rig, drive: Drive) -> Figures:
    """(e): as (c), with the bodies encrypted in the journal."""
    return await end_to_end(rig, drive, ENCRYPTED)


async def _with_pushes(figures: Figures, posts: PostLog, sink: SinkProcess) -> Figures:
    pushes = await sink.stop()
    check_exactly_once(range(FIRST, FIRST + len(posts.sent)), pushes)
    delays = push_delays(posts, FIRST, pushes)
    return msgspec.structs.replace(
        figures,
        throughput=delivered_per_second(posts, FIRST, pushes),
        push_p50=quantile(delays.from_answer, 0.5),
        push_p99=quantile(delays.from_answer, 0.99),
        whole_p99=quantile(delays.whole, 0.99),
    )


CASES = {"a": bare, "b": ingest, "c": end_to_end, "e": encrypted}
