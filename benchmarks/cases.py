"""The cases (a) bare handler, (b) durable ingest, (c) end to end, (e) with encrypted bodies, (t) and (T) with tracing.

One round of each, closed loop or at a fixed rate.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from aiohttp import web

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


async def accepted_posts(rig: Rig, port: int, clients: Sequence[Client], drive: Drive) -> PostLog:
    """Drive the load that counts; all of it was answered with 200."""
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
        posts = await accepted_posts(rig, handler.port, clients, drive)
        return _figures(posts, meter, handler.pid)


async def ingest(rig: Rig, drive: Drive) -> Figures:
    """(b): every update is stored with its push, but the PushConfig is suspended."""
    clients = [rig.client("bench", 1, suspended=True)]
    async with rig.server(clients) as server:
        await _warm_up(rig, server.port, clients, drive)
        meter = Meter(server.pid)
        posts = await accepted_posts(rig, server.port, clients, drive)
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
            posts = await accepted_posts(rig, server.port, clients, drive)
            await sink.until(warm + len(posts.sent))
            figures = _figures(posts, meter, server.pid)
            return await _with_pushes(figures, posts, sink)


async def encrypted(rig: Rig, drive: Drive) -> Figures:
    """(e): as (c), with the bodies encrypted in the journal."""
    return await end_to_end(rig, drive, ENCRYPTED)


async def traced(rig: Rig, drive: Drive, share: float = 0.01) -> Figures:
    """(t): as (c), with tracing on and one trace in a hundred recorded."""
    async with _collector() as url:
        with _environment(OTEL_EXPORTER_OTLP_ENDPOINT=url, OTEL_TRACES_SAMPLER_ARG=str(share)):
            return await end_to_end(rig, drive)


async def traced_all(rig: Rig, drive: Drive) -> Figures:
    """(T): as (t), with every trace recorded."""
    return await traced(rig, drive, 1.0)


@contextlib.asynccontextmanager
async def _collector() -> AsyncIterator[str]:
    """Takes every export and looks at none."""

    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    application = web.Application(client_max_size=1 << 26)
    application.router.add_post("/v1/traces", take)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """What the server is started with."""
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            del os.environ[name]


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


CASES = {"a": bare, "b": ingest, "c": end_to_end, "e": encrypted, "t": traced, "T": traced_all}
