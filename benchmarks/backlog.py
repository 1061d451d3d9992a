"""A million pushes that wait: does ingest keep its pace, does memory stay bounded, and what does a kill -9 cost?

Filled while the PushConfig is suspended (so no attempt is under way at the kill, and exactly once must hold for the
whole million); then killed, and started again with the endpoint up, under a steady load of new updates.
"""

import asyncio
import time

import msgspec

import procstat
from cases import Drive
from records import PostLog
from rig import Rig, SinkProcess
from stats import VoidError, answer_times, check_accepted, check_exactly_once, quantile, seconds_of
from support.manifests import Client, write
from support.server import ServerProcess

_PROBE_CONNECTIONS = 64
_AFTER_KILL = 100_000_000
"""First mark of the updates that are posted during the recovery."""


class BacklogPlan(msgspec.Struct, frozen=True, kw_only=True):
    """How large, how long."""

    pushes: int
    probe_seconds: float
    """Length of each closed-loop measurement of ingest."""
    recovery: Drive
    """The open loop during recovery."""
    drain_seconds: float
    """Give up measuring the drain after this time; what arrived until then gives the rate."""


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """Rates a second, times in seconds unless named otherwise, memory in MiB."""

    pushes: int
    ingest_empty: float
    ingest_full: float
    ready_after: float
    """From the start of the process after the kill to 200 on /readyz."""
    calm_p99: float
    """p99 of the answer (ms) at the recovery's rate, before the kill, at full backlog."""
    recovery_p99: float
    recovery_max: float
    """p99 and maximum of the answer (ms), from the moment when the killed server was ready again."""
    drain_rate: float
    drained: bool
    """The whole backlog arrived within the time, each push exactly once."""
    peak_mib: float
    """Of all phases."""


async def measure(rig: Rig, plan: BacklogPlan) -> Findings:
    """Fill, kill, recover, drain."""
    async with rig.sink(["ok"]) as sink:
        suspended = rig.client("bench", sink.ports[0], suspended=True)
        async with rig.server([suspended]) as server:
            empty = await rig.load(server.port, [suspended], seconds=plan.probe_seconds, first=0)
            filled = await _fill(rig, server, suspended, plan, first=len(empty.sent))
            full = await rig.load(server.port, [suspended], seconds=plan.probe_seconds, first=filled)
            calm = await _steady(rig, server, suspended, plan, first=filled + len(full.sent))
            waiting = filled + len(full.sent) + len(calm.sent)
            for log in (empty, full, calm):
                check_accepted(log)
            peak = procstat.usage(server.pid).peak_mib
            await server.kill()

            live = rig.client("bench", sink.ports[0])
            await asyncio.to_thread(write, server.resources, [live])
            started = time.monotonic()
            await server.start()
            ready_after = time.monotonic() - started
            recovery = await _steady(rig, server, live, plan, first=_AFTER_KILL)
            check_accepted(recovery)
            drained = await sink.until(waiting + len(recovery.sent), seconds=plan.drain_seconds)
            drain_rate = sink.count / (time.monotonic() - started - ready_after)
            peak = max(peak, procstat.usage(server.pid).peak_mib)
            await _check(sink, waiting, recovery, drained=drained)
    times = answer_times(recovery)
    return Findings(
        pushes=waiting,
        ingest_empty=len(empty.sent) / seconds_of(empty),
        ingest_full=len(full.sent) / seconds_of(full),
        ready_after=ready_after,
        calm_p99=quantile(answer_times(calm), 0.99),
        recovery_p99=quantile(times, 0.99),
        recovery_max=max(times),
        drain_rate=drain_rate,
        drained=drained,
        peak_mib=peak,
    )


async def _fill(rig: Rig, server: ServerProcess, client: Client, plan: BacklogPlan, *, first: int) -> int:
    """Post until the backlog has its size; returns the next free mark."""
    missing = plan.pushes - first
    if missing <= 0:
        return first
    log = await rig.load(
        server.port, [client], count=missing, seconds=3600, first=first, connections=_PROBE_CONNECTIONS
    )
    check_accepted(log)
    return first + len(log.sent)


async def _steady(rig: Rig, server: ServerProcess, client: Client, plan: BacklogPlan, *, first: int) -> PostLog:
    drive = plan.recovery
    return await rig.load(
        server.port, [client], seconds=drive.seconds, rate=drive.rate, connections=drive.connections, first=first
    )


async def _check(sink: SinkProcess, waiting: int, recovery: PostLog, *, drained: bool) -> None:
    pushes = await sink.stop()
    if drained:
        check_exactly_once(range(waiting), pushes)
        check_exactly_once(range(_AFTER_KILL, _AFTER_KILL + len(recovery.sent)), pushes)
    elif len(set(pushes.mark)) != len(pushes.mark):
        raise VoidError("during the drain some pushes arrived more than once")
