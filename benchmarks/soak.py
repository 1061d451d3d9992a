"""Soak: a steady load while what was delivered is forgotten after seconds. Does the file stop growing, at what cost?

The same load with the usual retention is measured, too: the difference in the answers' p99 is the cost of deleting.
"""

import asyncio
from pathlib import Path
from statistics import mean
from typing import Final

import msgspec

from cases import FIRST, Drive
from rig import Meter, Rig
from stats import answer_times, check_accepted, check_exactly_once, quantile

FORGET: Final = {"retention": {"delivered": "5s", "dead": "5s"}}
_SAMPLE_SECONDS: Final = 0.5


class Soaked(msgspec.Struct, frozen=True, kw_only=True):
    """One soak. Sizes in MiB, times in ms."""

    middle_mib: float
    """Mean size of the journal (file and log) in the middle third of the time."""
    last_mib: float
    """In the last third."""
    answer_p50: float
    answer_p99: float
    cpu_per_10k: float

    @property
    def growth(self) -> float:
        """1 is none."""
        return self.last_mib / self.middle_mib


async def measure(rig: Rig, drive: Drive, *, forget: bool) -> Soaked:
    """One run at the drive's rate."""
    async with rig.sink(["ok"]) as sink:
        client = rig.client("bench", sink.ports[0])
        async with rig.server([client], settings=FORGET if forget else None) as server:
            warm = await rig.load(server.port, [client], seconds=drive.warmup, rate=drive.rate, first=0)
            meter = Meter(server.pid)
            sampling = asyncio.create_task(_sample(server.data, drive.seconds))
            posts = await rig.load(server.port, [client], seconds=drive.seconds, rate=drive.rate, first=FIRST)
            check_accepted(posts)
            sizes = await sampling
            await sink.until(len(warm.sent) + len(posts.sent))
            cpu = meter.per_10k(len(posts.sent))
            pushes = await sink.stop()
    check_exactly_once(range(FIRST, FIRST + len(posts.sent)), pushes)
    answers, third = answer_times(posts), len(sizes) // 3
    return Soaked(
        middle_mib=mean(sizes[third : 2 * third]),
        last_mib=mean(sizes[2 * third :]),
        answer_p50=quantile(answers, 0.5),
        answer_p99=quantile(answers, 0.99),
        cpu_per_10k=cpu,
    )


async def _sample(folder: Path, seconds: float) -> list[float]:
    sizes = []
    for _ in range(int(seconds / _SAMPLE_SECONDS)):
        sizes.append(await asyncio.to_thread(_mib, folder))
        await asyncio.sleep(_SAMPLE_SECONDS)
    return sizes


def _mib(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.glob("journal.db*")) / 1024 / 1024
