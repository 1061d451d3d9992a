"""All benchmarks side by side in one run, as ratios to a bare handler (docs/benchmarks.md says how to read them).

`make bench` runs everything; `make bench ARGS="--quick"` a short version; `--only closed --cases a` single parts.
"""

import argparse
import asyncio
import contextlib
import sys
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console

import backlog
import cases
import ceiling
import cores
import definitions
import folder
import growth
import isolation
import journal_bytes
import paths
import processes
import soak
from cases import Drive
from disk import fsync_ms
from reach import Run
from report import save, show
from rig import Rig
from stats import Figures, VoidError, median_figures, quantile

PARTS = (
    "closed",
    "steady",
    "isolation",
    "backlog",
    "bytes",
    "soak",
    "processes",
    "folder",
    "definitions",
    "replicas",
    "growth",
)
USUAL = PARTS[:-2]
"""The others take long, and a PostgreSQL: they run when they are named."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything."""

    rounds: int
    seconds: float
    steady_seconds: float
    isolation_rounds: int
    isolation_seconds: float
    backlog: int
    drain_seconds: float
    journal_rows: int
    journal_updates: int
    soak_seconds: float
    growth_updates: int
    growth_rounds: int
    backlogs: tuple[int, ...]


FULL = Sizes(
    rounds=5,
    seconds=6.0,
    steady_seconds=10.0,
    isolation_rounds=3,
    isolation_seconds=32.0,
    backlog=1_000_000,
    drain_seconds=600.0,
    journal_rows=1_000_000,
    journal_updates=90_000,
    soak_seconds=90.0,
    growth_updates=20_000,
    growth_rounds=3,
    backlogs=(0, 100_000, 1_000_000),
)
QUICK = Sizes(
    rounds=1,
    seconds=3.0,
    steady_seconds=4.0,
    isolation_rounds=1,
    isolation_seconds=12.0,
    backlog=50_000,
    drain_seconds=60.0,
    journal_rows=50_000,
    journal_updates=9_000,
    soak_seconds=24.0,
    growth_updates=2_000,
    growth_rounds=1,
    backlogs=(0, 20_000),
)


class Bench:
    """One run: the rounds so far, and what they came to."""

    def __init__(self, rig: Rig, sizes: Sizes, options: argparse.Namespace, console: Console) -> None:
        self.run = Run(steady_rate=options.rate)
        self.rounds: dict[str, list[Figures]] = defaultdict(list)
        self._rig = rig
        self._sizes = sizes
        self._options = options
        self._console = console
        self._fsyncs: list[float] = []

    async def parts(self) -> None:
        """Run the parts that were asked for."""
        only = self._options.only or USUAL
        if "closed" in only:
            drive = Drive(seconds=self._sizes.seconds, connections=self._options.connections)
            self.run.closed = await self._closed(drive)
        if "steady" in only:
            drive = Drive(seconds=self._sizes.steady_seconds, rate=self._options.rate, warmup=2.0)
            self.run.steady = await self._interleaved(
                "steady", drive, [name for name in self._options.cases if name not in {"b", "e", "t", "T"}]
            )
        if "isolation" in only:
            await self._isolation()
        for name, part in self._simple_parts():
            if name in only:
                await part()
        if "processes" in only:
            self.run.processes = await self._processes()
        if "replicas" in only:
            self.run.replicas = await self._costs(
                "replicas", growth.replicas(self._sizes.growth_updates, self._options.replicas)
            )
            self.run.ceiling = await self._ceiling()
        if "growth" in only:
            for storage in self._options.storages:
                await self._growth(storage)
        self.run.fsync_ms = median(self._fsyncs)
        self.run.fsync_p99_ms = quantile(self._fsyncs, 0.99)

    async def _closed(self, drive: Drive) -> dict[str, Figures]:
        async with contextlib.AsyncExitStack() as stack:
            versions = {}
            for revision in self._options.against:
                tree = await stack.enter_async_context(journal_bytes.sources(revision))
                versions[revision] = self._rig._replace(version=tree)
            return await self._interleaved("closed", drive, self._options.cases, versions)

    async def _interleaved(
        self, part: str, drive: Drive, names: Sequence[str], older: Mapping[str, Rig] | None = None
    ) -> dict[str, Figures]:
        """Rounds of these cases; where older versions are given, each case but the bare handler of them, too."""
        kinds = {name: (name, self._rig) for name in names}
        for revision, rig in (older or {}).items():
            kinds |= {f"{name} {revision}": (name, rig) for name in names if name != "a"}
        for _ in range(self._sizes.rounds):
            for kind, (name, rig) in kinds.items():
                self._fsync()
                figures = await cases.CASES[name](rig, drive)
                self._note(f"{part}/{kind}", figures)
        return {kind: median_figures(self.rounds[f"{part}/{kind}"]) for kind in kinds}

    async def _isolation(self) -> None:
        drive = Drive(seconds=self._sizes.isolation_seconds, rate=self._options.rate, warmup=2.0)
        for _ in range(self._sizes.isolation_rounds):
            for name, bad in (("good", False), ("bad", True)):
                self._note(f"isolation/{name}", await isolation.measure(self._rig, drive, bad=bad))
        self.run.isolation = {name: median_figures(self.rounds[f"isolation/{name}"]) for name in ("good", "bad")}
        self._fsync()

    async def _backlog(self) -> None:
        plan = backlog.BacklogPlan(
            pushes=self._options.backlog or self._sizes.backlog,
            probe_seconds=self._sizes.seconds,
            recovery=Drive(seconds=2 * self._sizes.steady_seconds, rate=self._options.rate / 2),
            drain_seconds=self._sizes.drain_seconds,
        )
        self.run.backlog = await backlog.measure(self._rig, plan)
        self._fsync()

    async def _bytes(self) -> None:
        revision: str | None
        for revision in (*self._options.against, None):
            self._fsync()
            rows = self._options.rows or self._sizes.journal_rows
            count = self._options.updates or self._sizes.journal_updates
            found = await journal_bytes.measure(
                self._rig, rows=rows, count=count, revision=revision, filled=self._options.filled
            )
            name = revision or journal_bytes.THIS
            self.run.bytes[name] = found
            ingest = f"ingest {found.ingest_empty:,.0f} -> {found.ingest_full:,.0f}/s"
            self._console.print(f"bytes/{name:12} {found.bytes:9,.0f} bytes an update, {ingest}", highlight=False)

    async def _soak(self) -> None:
        drive = Drive(seconds=self._sizes.soak_seconds, rate=self._options.rate, warmup=2.0)
        for name, forget in (("keeping", False), ("forgetting", True)):
            self._fsync()
            found = self.run.soak[name] = await soak.measure(self._rig, drive, forget=forget)
            sizes = f"{found.middle_mib:.0f} -> {found.last_mib:.0f} MiB"
            self._console.print(f"soak/{name:11} {sizes}, answer p99 {found.answer_p99:.2f} ms", highlight=False)

    def _simple_parts(self) -> tuple[tuple[str, Callable[[], Awaitable[None]]], ...]:
        return (
            ("backlog", self._backlog),
            ("bytes", self._bytes),
            ("soak", self._soak),
            ("folder", self._folder),
            ("definitions", self._definitions),
        )

    async def _folder(self) -> None:
        self._fsync()
        is_quick = self._sizes is QUICK
        found = self.run.folder = await folder.measure(
            folder.CLIENTS // (10 if is_quick else 1), idle_seconds=5.0 if is_quick else 30.0
        )
        text = f"CPU s: bare loop {found.bare:.2f}, check {found.check:.2f}, start {found.start:.2f}"
        change = f"a change live after {found.change:.2f} s ({found.change_cpu:.2f} CPU s)"
        memory = f"{found.mib:.0f} MiB, {found.later_mib:.0f} MiB after changes"
        self._console.print(
            f"folder/{found.clients:<9} {text}; {change}; idle {found.idle:.2%} of a CPU; {memory}", highlight=False
        )

    async def _definitions(self) -> None:
        self._fsync()
        found = self.run.definitions = definitions.measure(rounds=3 if self._sizes is QUICK else 7)
        text = f"decoding {found.decoding:.1f}, module {found.module:.1f}, definition {found.definition:.1f} µs of CPU"
        self._console.print(f"definitions      {text} for an update", highlight=False)

    async def _processes(self) -> processes.ProcessSpread:
        drive = Drive(seconds=self._sizes.seconds)
        ways = {"together": False, "small": True} if cores.can_be_sized() else {"together": False}
        rounds: dict[str, dict[int, list[processes.Split]]] = {way: defaultdict(list) for way in ways}
        for _ in range(self._sizes.rounds):
            self._fsync()
            for way, small in ways.items():
                for receivers in processes.RECEIVERS:
                    found = await processes.measure(self._rig, drive, receivers=receivers, small=small)
                    rounds[way][receivers].append(found)
                    text = f"{found.throughput:9,.0f} pushes/s, CPU s/10k: main {found.main:.2f}, all {found.total:.2f}"
                    self._console.print(f"{way}/{receivers:<9} {text}", highlight=False)
        medians = {way: {n: processes.middle(found) for n, found in ones.items()} for way, ones in rounds.items()}
        return processes.ProcessSpread(**medians)

    async def _ceiling(self) -> dict[int, ceiling.Ceiling]:
        """The best of the rounds: what keeps a writer from more is the machine's other work, never the ceiling."""
        found: dict[int, ceiling.Ceiling] = {}
        for _ in range(self._sizes.growth_rounds):
            for writers in ceiling.WRITERS:
                one = await ceiling.measure(self._rig, writers=writers, updates=10 * self._sizes.growth_updates)
                found[writers] = max(one, found.get(writers, one), key=lambda each: each.rate)
                text = f"{one.rate:9,.0f} stored/s, database {one.database:.2f} CPU s/10k"
                self._console.print(f"ceiling/{writers} writers {text}", highlight=False)
        return found

    async def _growth(self, storage: str) -> None:
        updates, sizes = self._sizes.growth_updates, self._options.backlogs or self._sizes.backlogs
        shapes = {
            "tenants": growth.tenants(storage, updates, self._options.tenants),
            "backlog": growth.backlogs(storage, updates, sizes),
            "body": growth.bodies(storage, updates),
        }
        for by in self._options.by:
            ones = shapes[by]
            self.run.growth[f"{storage} by {by}"] = await self._costs(f"{storage}/{by}", ones)

    async def _costs(self, part: str, shapes: Mapping[str, growth.Shape]) -> dict[str, growth.Cost]:
        """Interleaved rounds of these shapes."""
        rounds: dict[str, list[growth.Cost]] = defaultdict(list)
        for _ in range(self._sizes.growth_rounds):
            self._fsync()
            for name, shape in shapes.items():
                found = await growth.measure(self._rig, shape)
                rounds[name].append(found)
                text = f"{found.throughput:9,.0f} pushes/s, CPU s/10k: {found.servers:.2f} + {found.database:.2f}"
                self._console.print(f"{part}/{name:18} {text}", highlight=False)
        return {name: growth.middle(found) for name, found in rounds.items()}

    def _fsync(self) -> None:
        self._fsyncs.extend(fsync_ms(self._rig.folder))

    def _note(self, name: str, figures: Figures) -> None:
        self.rounds[name].append(figures)
        push = "" if figures.push_p99 is None else f", push p99 {figures.push_p99:.2f} ms"
        cpu = "" if figures.cpu_per_10k is None else f", {figures.cpu_per_10k:.2f} CPU s/10k"
        answer = f"answer p99 {figures.answer_p99:.2f} ms"
        self._console.print(f"{name:16} {figures.throughput:9,.0f} updates/s, {answer}{push}{cpu}", highlight=False)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run: shows that it works, not how fast it is")
    parser.add_argument("--only", choices=PARTS, action="append", help="run only this part (may be repeated)")
    parser.add_argument("--cases", nargs="+", choices=tuple(cases.CASES), default=list(cases.CASES))
    parser.add_argument("--rounds", type=int, help="rounds of all parts but isolation")
    parser.add_argument("--updates", type=int, help="replicas, growth, bytes: updates of each round")
    parser.add_argument("--connections", type=int, default=64, help="closed loop: requests under way at any time")
    parser.add_argument("--rate", type=float, default=1000.0, help="open loop: updates a second")
    parser.add_argument("--backlog", type=int, help="how many pushes wait")
    parser.add_argument("--rows", type=int, help="bytes: updates in the file")
    parser.add_argument("--filled", type=Path, help="bytes: keep the files in this folder, use those of an earlier run")
    parser.add_argument(
        "--against", nargs="+", default=[], metavar="REV", help="bytes, closed: older versions beside this one"
    )
    parser.add_argument("--by", nargs="+", choices=growth.BY, default=list(growth.BY), help="growth: by what")
    parser.add_argument("--tenants", type=int, nargs="+", default=list(growth.TENANTS), help="growth: how many")
    parser.add_argument("--backlogs", type=int, nargs="+", help="growth: pushes that wait, filled in for each round")
    parser.add_argument("--replicas", type=int, nargs="+", default=list(growth.REPLICAS), help="replicas: how many")
    parser.add_argument("--storages", nargs="+", choices=growth.STORAGES, default=list(growth.STORAGES), help="growth")
    parser.add_argument("--aggregator", choices=("clickpost", "shiprocket", "shipway"), default="clickpost")
    parser.add_argument("--pin", action="store_true", help="server on CPU 0, load and sink on CPU 1 (taskset)")
    return parser.parse_args()


async def _main() -> int:
    options = _options()
    sizes = QUICK if options.quick else FULL
    if options.rounds:
        sizes = msgspec.structs.replace(sizes, rounds=options.rounds, growth_rounds=options.rounds)
    if options.updates:
        sizes = msgspec.structs.replace(sizes, growth_updates=options.updates)
    console = Console(width=140)
    rig = Rig(folder=paths.CACHE / "work", pinned=options.pin, aggregator=options.aggregator)
    bench = Bench(rig, sizes, options, console)
    try:
        await bench.parts()
    except VoidError as error:
        console.print(f"This run is void: {error}", style="bold")
        return 1
    show(bench.run, console)
    settings = {**vars(options), "sizes": msgspec.to_builtins(sizes)}
    console.print(f"Written to {save(bench.run, bench.rounds, settings, paths.CACHE)}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(_main()))
