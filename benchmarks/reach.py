"""The lines that Trackpush wants to reach, each a ratio of figures of one and the same run."""

from collections.abc import Iterator, Mapping

import msgspec

from backlog import Findings
from ceiling import Ceiling
from definitions import ReadingCost
from folder import FolderCost
from growth import Cost
from journal_bytes import THIS, WrittenBytes
from processes import ProcessSpread
from soak import Soaked
from stats import Figures

MEMORY_MIB = 200.0
BACKLOG = 1_000_000
WRITTEN_KB = 12.0
LONGEST_PAUSE_MS = 1000.0


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to reach. ``at_least`` tells which side of the limit is good."""

    name: str
    value: float
    limit: float
    at_least: bool = False
    note: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is."""
        return self.value >= self.limit if self.at_least else self.value <= self.limit


class Run(msgspec.Struct, kw_only=True):
    """All that one run measured; what was not run stays empty."""

    fsync_ms: float = 0.0
    """Median."""
    fsync_p99_ms: float = 0.0
    closed: dict[str, Figures] = msgspec.field(default_factory=dict)
    """By case: a, b, c, e."""
    steady: dict[str, Figures] = msgspec.field(default_factory=dict)
    """By case, at a fixed rate."""
    steady_rate: float = 0.0
    isolation: dict[str, Figures] = msgspec.field(default_factory=dict)
    """``good``: ten healthy clients; ``bad``: the same with one dead and one hanging."""
    backlog: Findings | None = None
    bytes: dict[str, WrittenBytes] = msgspec.field(default_factory=dict)
    """By version, this one last."""
    soak: dict[str, Soaked] = msgspec.field(default_factory=dict)
    """``keeping``: all stays; ``forgetting``: what was delivered goes after seconds."""
    processes: ProcessSpread | None = None
    folder: FolderCost | None = None
    definitions: ReadingCost | None = None
    replicas: dict[str, Cost] = msgspec.field(default_factory=dict)
    """By storage and number of replicas."""
    ceiling: dict[int, Ceiling] = msgspec.field(default_factory=dict)
    """By number of writers."""
    growth: dict[str, dict[str, Cost]] = msgspec.field(default_factory=dict)
    """By storage and what grows, then by its size, the smallest first."""


def lines(run: Run) -> list[Goal]:
    """Every line for which the run has figures."""
    return [
        *_closed(run.closed),
        *_encrypted(run.closed),
        *_traced(run.closed),
        *_steady(run),
        *_isolation(run.isolation),
        *_backlog(run.backlog),
        *_bytes(run.bytes.get(THIS)),
        *_soak(run.soak),
        *_processes(run.processes),
        *_folder(run.folder),
        *_definitions(run.definitions),
        *_replicas(run.replicas),
        *_growth(run.growth),
    ]


def _encrypted(figures: Mapping[str, Figures]) -> Iterator[Goal]:
    clear, sealed = figures.get("c"), figures.get("e")
    if clear is None or sealed is None or not clear.cpu_per_10k or not sealed.cpu_per_10k:
        return
    ratio = sealed.throughput / clear.throughput
    yield Goal(name="(e)/(c) throughput, encrypted / in clear", value=ratio, limit=0.9, at_least=True)
    yield Goal(name="(e)/(c) CPU per update", value=sealed.cpu_per_10k / clear.cpu_per_10k, limit=1.1)


def _traced(figures: Mapping[str, Figures]) -> Iterator[Goal]:
    off = figures.get("c")
    if off is None:
        return
    for name, text, limit in (("t", "1 % traced", 0.9), ("T", "all traced", 0.3)):
        if on := figures.get(name):
            ratio = on.throughput / off.throughput
            yield Goal(name=f"({name})/(c) throughput, {text} / off", value=ratio, limit=limit, at_least=True)


def _closed(figures: Mapping[str, Figures]) -> Iterator[Goal]:
    bare = figures.get("a")
    if bare is None:
        return
    if ingest := figures.get("b"):
        ratio = ingest.throughput / bare.throughput
        yield Goal(name="(b)/(a) throughput", value=ratio, limit=0.5, at_least=True)
    if (whole := figures.get("c")) and whole.cpu_per_10k and bare.cpu_per_10k:
        ratio = whole.throughput / bare.throughput
        yield Goal(name="(c)/(a) throughput", value=ratio, limit=0.25, at_least=True, note="aim 0.35")
        yield Goal(name="(c)/(a) CPU per update", value=whole.cpu_per_10k / bare.cpu_per_10k, limit=4.5)


def _steady(run: Run) -> Iterator[Goal]:
    bare, whole = run.steady.get("a"), run.steady.get("c")
    if bare is None or whole is None or whole.push_p99 is None:
        return
    at = f"at {run.steady_rate:g}/s"
    limit = 4 * bare.answer_p99 + 4 * run.fsync_ms
    note = "ms; limit 4 x (a)'s p99 + 4 x fsync"
    yield Goal(name=f"(c) p99 of the answer {at}", value=whole.answer_p99, limit=limit, note=note)
    name = f"(c) p99 of answer -> push {at}"
    yield Goal(name=name, value=whole.push_p99, limit=bare.answer_p99, note="ms; limit (a)'s p99 of the answer")


def _isolation(figures: Mapping[str, Figures]) -> Iterator[Goal]:
    if len(figures) < 2:
        return
    name = "(d) healthy clients' p99, with / without the bad"
    for part, note in (("whole_p99", "post -> push"), ("push_p99", "answer -> push"), ("answer_p99", "answer")):
        ratio = getattr(figures["bad"], part) / getattr(figures["good"], part)
        yield Goal(name=name, value=ratio, limit=1.2, note=note)


def _backlog(found: Findings | None) -> Iterator[Goal]:
    if found is None:
        return
    size = f"{found.pushes:,} pushes wait"
    small = "" if found.pushes >= BACKLOG else f"; not the full {BACKLOG:,}"
    yield Goal(name=f"peak memory, {size}", value=found.peak_mib, limit=MEMORY_MIB, note=f"MiB{small}")
    ratio = found.ingest_full / found.ingest_empty
    yield Goal(name="ingest, full / empty backlog", value=ratio, limit=0.9, at_least=True)
    name = "longest answer during recovery"
    yield Goal(name=name, value=found.recovery_max, limit=LONGEST_PAUSE_MS, note="ms; no pause in ingest")


def _bytes(found: WrittenBytes | None) -> Iterator[Goal]:
    if found is None:
        return
    name = f"journal: written for each update, {found.rows:,} in the file"
    small = "" if found.rows >= BACKLOG else f"; not the full {BACKLOG:,}"
    yield Goal(name=name, value=found.bytes / 1000, limit=WRITTEN_KB, note=f"KB at 20 a commit{small}")
    ratio = found.ingest_full / found.ingest_empty
    yield Goal(name="journal: ingest, that file / an empty one", value=ratio, limit=0.9, at_least=True)


def _soak(found: Mapping[str, Soaked]) -> Iterator[Goal]:
    if len(found) < 2:
        return
    forgetting, keeping = found["forgetting"], found["keeping"]
    yield Goal(name="soak: size of the journal, last third / middle third", value=forgetting.growth, limit=1.1)
    ratio = forgetting.answer_p99 / keeping.answer_p99
    yield Goal(name="soak: p99 of the answer, forgetting / keeping all", value=ratio, limit=1.2)


def _definitions(found: ReadingCost | None) -> Iterator[Goal]:
    if found is not None:
        yield Goal(name="definitions: CPU of parsing / the Shiprocket module", value=found.ratio, limit=1.3)


def _folder(found: FolderCost | None) -> Iterator[Goal]:
    if found is not None:
        yield Goal(name="folder: CPU of check / bare libyaml", value=found.check / found.bare, limit=2.0)
        yield Goal(name="folder: CPU of a start / bare libyaml", value=found.start / found.bare, limit=2.0)
        yield Goal(name="folder: seconds until a change is live", value=found.change, limit=1.0)
        yield Goal(name="folder: % of a CPU while nothing changes", value=found.idle * 100, limit=1.0)
        yield Goal(name="folder: MiB when ready", value=found.mib, limit=250.0)


def _processes(found: ProcessSpread | None) -> Iterator[Goal]:
    if found is None:
        return
    alone, two = found.small.get(0), found.small.get(1)
    if alone and two:
        name = "two server processes on two small cores / one on one, delivered"
        yield Goal(name=name, value=two.throughput / alone.throughput, limit=1.5, at_least=True)
    one, split = found.together.get(0), found.together.get(1)
    if one and split:
        name = "CPU per update of one process / of the busier of two"
        yield Goal(name=name, value=one.busiest / split.busiest, limit=1.5, at_least=True, note="with a core for each")


def _replicas(found: Mapping[str, Cost]) -> Iterator[Goal]:
    embedded, shared = found.get("SQLite"), found.get("PostgreSQL, 1")
    if embedded and shared:
        ratio = shared.throughput / embedded.throughput
        note = "on the same cores, the database's CPU counted"
        yield Goal(name="PostgreSQL / SQLite, delivered", value=ratio, limit=0.7, at_least=True, note=note)


def _growth(found: Mapping[str, Mapping[str, Cost]]) -> Iterator[Goal]:
    for name, costs in found.items():
        if name.endswith("body"):
            continue
        first, *_ = costs.values()
        for size, cost in list(costs.items())[1:]:
            yield Goal(name=f"CPU per update, {name}: {size} / the least", value=cost.total / first.total, limit=1.3)
