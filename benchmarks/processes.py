"""`--receivers`: what more processes bring end to end, beside the single process, round by round.

Two ways. *Together*: everything shares the machine's CPUs, as it comes. CPU seconds are counted per process, and what
the busiest one needs for an update bounds what the server can do with a core for each. *On small cores*: each server
process has a core of its own of a third of a CPU, so that load and clients take none of it; that ratio needs no
arithmetic.
"""

import contextlib
from collections.abc import Sequence
from statistics import median

import msgspec

import cores
import procstat
from cases import FIRST, Drive, accepted_posts
from rig import Rig
from stats import check_exactly_once, delivered_per_second
from support.server import ServerProcess

RECEIVERS = (0, 1, 2)
SMALL = 0.33
"""Of a CPU. Three of them leave a CPU for load and clients."""
CONNECTIONS = 128
"""More than elsewhere: a process on a small core waits for its share, and must have work when it gets it."""


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """One way of running the server. CPU in seconds for 10,000 updates."""

    throughput: float
    """Delivered pushes a second."""
    main: float
    """CPU of the process with the journal, which pushes."""
    receiver: float
    """CPU of one receiving process (their mean); 0 without any."""
    total: float
    """CPU of all of the server's processes."""

    @property
    def busiest(self) -> float:
        """CPU of the process that needs most."""
        return max(self.main, self.receiver)


class ProcessSpread(msgspec.Struct, kw_only=True):
    """By number of receiving processes."""

    together: dict[int, Split] = msgspec.field(default_factory=dict)
    small: dict[int, Split] = msgspec.field(default_factory=dict)
    """Empty where cores can't be sized."""


def middle(rounds: Sequence[Split]) -> Split:
    """The median of each figure."""
    names = Split.__struct_fields__
    return msgspec.convert({name: median(getattr(measured, name) for measured in rounds) for name in names}, Split)


async def measure(rig: Rig, drive: Drive, *, receivers: int, small: bool) -> Split:
    """One round: the case (c), with this many receiving processes."""
    drive = msgspec.structs.replace(drive, connections=CONNECTIONS)
    arguments = ("--receivers", str(receivers)) if receivers else ()
    async with rig.sink(["ok"]) as sink:
        client = rig.client("bench", sink.ports[0])
        async with rig.server([client], arguments=arguments) as server:
            with _cores(server, small=small):
                warm = await rig.load(
                    server.port, [client], seconds=drive.warmup, connections=drive.connections, first=0
                )
                await sink.until(len(warm.sent))
                before = procstat.by_process(server.pid)
                posts = await accepted_posts(rig, server.port, [client], drive)
                await sink.until(len(warm.sent) + len(posts.sent))
                after = procstat.by_process(server.pid)
            pushes = await sink.stop()
    check_exactly_once(range(FIRST, FIRST + len(posts.sent)), pushes)
    used = {pid: (after[pid] - before[pid]) * 10_000 / len(posts.sent) for pid in before}
    main = used.pop(server.pid)
    return Split(
        throughput=delivered_per_second(posts, FIRST, pushes),
        main=main,
        receiver=sum(used.values()) / len(used) if used else 0.0,
        total=main + sum(used.values()),
    )


def _cores(server: ServerProcess, *, small: bool) -> contextlib.AbstractContextManager[None]:
    return cores.sized(SMALL, [server.pid, *server.children]) if small else contextlib.nullcontext()
