"""Prints a run as tables and keeps it as JSON."""

import json
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from backlog import Findings
from ceiling import Ceiling
from growth import Cost
from journal_bytes import WrittenBytes
from processes import SMALL, ProcessSpread
from reach import Goal, Run, lines
from soak import Soaked
from stats import Figures

_TITLES = {
    "a": "(a) bare aiohttp handler",
    "b": "(b) durable ingest",
    "c": "(c) end to end",
    "e": "(e) end to end, encrypted",
    "t": "(t) end to end, 1 % traced",
    "T": "(T) end to end, all traced",
    "good": "(d) ten healthy clients",
    "bad": "(d) one dead, one hanging",
}


def _number(value: float | None, digits: int = 2) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _title(name: str) -> str:
    """Of a case, or of one of an older version: ``c e27473e``."""
    case, _, version = name.partition(" ")
    return f"{_TITLES[case]}, {version}" if version else _TITLES[case]


def _cases(title: str, figures: Mapping[str, Figures]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("case")
    for heading in (
        "updates/s",
        "answer p50 ms",
        "p99",
        "max",
        "push p50 ms",
        "p99",
        "whole way p99",
        "CPU s/10k",
        "peak MiB",
    ):
        table.add_column(heading, justify="right")
    for name, figure in figures.items():
        table.add_row(
            _title(name),
            _number(figure.throughput, 0),
            *map(
                _number,
                (
                    figure.answer_p50,
                    figure.answer_p99,
                    figure.answer_max,
                    figure.push_p50,
                    figure.push_p99,
                    figure.whole_p99,
                    figure.cpu_per_10k,
                ),
            ),
            _number(figure.peak_mib, 0),
        )
    return table


def _backlog(found: Findings) -> Table:
    table = Table(title="Backlog", title_justify="left", show_header=False)
    table.add_row("pushes that wait", _number(found.pushes, 0))
    table.add_row("ingest/s, empty -> full", f"{_number(found.ingest_empty, 0)} -> {_number(found.ingest_full, 0)}")
    table.add_row("after kill -9: ready after, s", _number(found.ready_after))
    table.add_row("answer p99 ms, calm -> recovering", f"{_number(found.calm_p99)} -> {_number(found.recovery_p99)}")
    table.add_row("longest answer while recovering, ms", _number(found.recovery_max))
    table.add_row("drained, pushes/s", f"{_number(found.drain_rate, 0)}{'' if found.drained else ' (not to the end)'}")
    table.add_row("peak memory, MiB", _number(found.peak_mib, 0))
    return table


def _bytes(found: Mapping[str, WrittenBytes]) -> Table:
    rows = next(iter(found.values())).rows
    table = Table(title=f"The journal's file with {rows:,} updates", title_justify="left")
    for heading in (
        "version",
        "bytes an update",
        "to the disk",
        "in the file",
        "updates/s",
        "ingest/s, empty",
        "full",
        "",
    ):
        table.add_column(heading, justify="right")
    for name, measured in found.items():
        cells = (
            measured.bytes,
            measured.disk_bytes,
            measured.file_bytes,
            measured.rate,
            measured.ingest_empty,
            measured.ingest_full,
        )
        table.add_row(
            name, *(_number(cell, 0) for cell in cells), _number(measured.ingest_full / measured.ingest_empty)
        )
    return table


def _soak(found: Mapping[str, Soaked]) -> Table:
    table = Table(title="Soak", title_justify="left")
    for heading in ("delivered ones are", "MiB, middle third", "last third", "answer p50 ms", "p99", "CPU s/10k"):
        table.add_column(heading)
    for name, measured in found.items():
        cells = (measured.middle_mib, measured.last_mib, measured.answer_p50, measured.answer_p99, measured.cpu_per_10k)
        table.add_row("forgotten after 5 s" if name == "forgetting" else "kept", *map(_number, cells))
    return table


def _processes(found: ProcessSpread) -> Table:
    table = Table(title="Receiving processes (end to end)", title_justify="left")
    for heading in (
        "--receivers",
        "pushes/s",
        "main CPU s/10k",
        "each receiver's",
        "all",
        "with a core each, pushes/s",
    ):
        table.add_column(heading, justify="right")
    for title, splits in (("", found.together), (f" ({SMALL:g} CPU each)", found.small)):
        for receivers, split in splits.items():
            cpu = map(_number, (split.main, split.receiver, split.total))
            table.add_row(f"{receivers}{title}", _number(split.throughput, 0), *cpu, _number(10_000 / split.busiest, 0))
    return table


def _costs(title: str, found: Mapping[str, Cost]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("")
    for heading in ("pushes/s", "servers, CPU s/10k", "database", "both", "CPU hours per million"):
        table.add_column(heading, justify="right")
    for name, measured in found.items():
        cells = map(_number, (measured.servers, measured.database, measured.total, measured.per_million))
        table.add_row(name, _number(measured.throughput, 0), *cells)
    return table


def _ceiling(found: Mapping[int, Ceiling]) -> Table:
    table = Table(title="One PostgreSQL, storing only", title_justify="left")
    for heading in ("writers", "updates/s", "database, CPU s/10k", "log, bytes each", "disk, bytes each"):
        table.add_column(heading, justify="right")
    for writers, measured in found.items():
        sizes = (_number(measured.wal_bytes, 0), _number(measured.disk_bytes, 0))
        table.add_row(str(writers), _number(measured.rate, 0), _number(measured.database), *sizes)
    return table


def _reach(reached: list[Goal]) -> Table:
    table = Table(title="Reach", title_justify="left")
    for heading in ("what", "measured", "limit", "", ""):
        table.add_column(heading)
    for line in reached:
        sign = ">=" if line.at_least else "<="
        verdict = "pass" if line.reached else "[bold]not yet[/bold]"
        table.add_row(line.name, _number(line.value), f"{sign} {_number(line.limit)}", verdict, line.note)
    return table


def show(run: Run, console: Console) -> None:
    """Print everything that was measured."""
    if run.closed:
        console.print(_cases("Closed loop: as fast as it goes", run.closed))
    if run.steady:
        console.print(_cases(f"Open loop, {run.steady_rate:g} updates/s", run.steady))
    if run.isolation:
        console.print(_cases("One dead and one hanging client among ten (push times: the eight others)", run.isolation))
    _show_journal(run, console)
    if run.processes:
        console.print(_processes(run.processes))
    if run.replicas:
        console.print(_costs("Replicas, end to end", run.replicas))
    if run.ceiling:
        console.print(_ceiling(run.ceiling))
    for name, costs in run.growth.items():
        console.print(_costs(f"Growth, end to end: {name}", costs))
    console.print(f"One fsync on this disk: median {run.fsync_ms:.2f} ms, p99 {run.fsync_p99_ms:.2f} ms")
    console.print(_reach(lines(run)))


def _show_journal(run: Run, console: Console) -> None:
    if run.backlog:
        console.print(_backlog(run.backlog))
    if run.bytes:
        console.print(_bytes(run.bytes))
    if run.soak:
        console.print(_soak(run.soak))


def save(run: Run, rounds: Mapping[str, list[Figures]], settings: Mapping[str, object], folder: Path) -> Path:
    """Write medians, single rounds, settings and machine as JSON; returns the file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / time.strftime("%Y%m%dT%H%M%SZ.json", time.gmtime())
    document = {
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()},
        "settings": settings,
        "medians": msgspec.to_builtins(run),
        "rounds": msgspec.to_builtins(rounds),
        "reach": [{**msgspec.to_builtins(line), "reached": line.reached} for line in lines(run)],
    }
    path.write_text(json.dumps(document, indent=2, default=str) + "\n", encoding="utf-8")
    return path
