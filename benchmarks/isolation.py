"""Case (d): ten clients, of which one refuses connections and one never answers. What do the other eight notice?

The pressure must exceed any pool: the hanging client alone is owed rate / 10 x time-out pushes at once, in a run of at
least 30 s; a server that shares senders between clients then shows seconds, not milliseconds.
"""

import procstat
from cases import FIRST, Drive
from rig import Meter, Rig
from stats import (
    Figures,
    answer_times,
    check_accepted,
    check_exactly_once,
    push_delays,
    quantile,
)

CLIENTS = 10
HEALTHY = range(CLIENTS - 2)
_TIMEOUT = "10s"


def _owed(first: int, count: int, clients: range) -> int:
    """The number of marks from ``first`` on that belong to these clients."""
    return sum(1 for mark in range(first, first + count) if mark % CLIENTS in clients)


async def measure(rig: Rig, drive: Drive, *, bad: bool) -> Figures:
    """One run, with or without the two bad clients; push times and throughput are those of the eight others."""
    async with rig.sink(["ok"] * len(HEALTHY) + (["dead", "hang"] if bad else ["ok", "ok"])) as sink:
        clients = [
            rig.client(f"bench-{index}", port, delivery={"timeout": _TIMEOUT}) for index, port in enumerate(sink.ports)
        ]
        async with rig.server(clients) as server:
            warm = await rig.load(server.port, clients, seconds=drive.warmup, rate=drive.rate, first=0)
            meter = Meter(server.pid)
            posts = await rig.load(server.port, clients, seconds=drive.seconds, rate=drive.rate, first=FIRST)
            check_accepted(posts)
            marks = [mark for mark in range(FIRST, FIRST + len(posts.sent)) if mark % CLIENTS in HEALTHY]
            answering = HEALTHY if bad else range(CLIENTS)
            await sink.until(_owed(0, len(warm.sent), answering) + _owed(FIRST, len(posts.sent), answering))
            cpu, peak = meter.per_10k(len(posts.sent)), procstat.usage(server.pid).peak_mib
            pushes = await sink.stop()
    check_exactly_once(marks, pushes)
    answers, delays = answer_times(posts), push_delays(posts, FIRST, pushes, HEALTHY)
    return Figures(
        throughput=len(marks) / drive.seconds,
        answer_p50=quantile(answers, 0.5),
        answer_p99=quantile(answers, 0.99),
        answer_max=max(answers),
        push_p50=quantile(delays.from_answer, 0.5),
        push_p99=quantile(delays.from_answer, 0.99),
        whole_p99=quantile(delays.whole, 0.99),
        cpu_per_10k=cpu,
        peak_mib=peak,
    )
