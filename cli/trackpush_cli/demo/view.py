"""The demo's output: a live table in a terminal, plain lines elsewhere.

Both show each update as received → stored → pushed, with attempt, latency and canonical status.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from trackpush_api.printable import printable
from trackpush_cli.demo.ledger import Arrival, DemoPush, Expectation
from trackpush_cli.moments import show_duration


class ClientLine(msgspec.Struct):
    """One row: a posted body, and one of its pushes (or why there is none)."""

    clock: str
    aggregator: str
    label: str
    shipment: str
    stored: str = "…"
    note: str = ""
    """Why there is no push."""
    push: DemoPush | None = None
    refused: bool = False


class DemoView(Protocol):
    """The demo's display."""

    def say(self, text: str) -> None: ...

    def posted(self, lines: list[ClientLine]) -> None:
        """Show an answered post. Its rows don't show its pushes yet."""
        ...

    def arrived(self, push: DemoPush | None, arrival: Arrival) -> None: ...

    def close(self) -> None:
        """Show the last state and release the terminal."""
        ...


def _status_words(wanted: Expectation) -> str:
    return f"{wanted.status} (late)" if wanted.late else wanted.status


def _latency(push: DemoPush, at: float) -> str:
    """From the aggregator's post to the client's endpoint."""
    return show_duration(at - push.posted_at)


class PlainView:
    """One line per event, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._early: dict[str, list[Arrival]] = {}
        """Pushes that arrived before the aggregator had read its 200; they are printed after their post."""

    def say(self, text: str) -> None:
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def posted(self, lines: list[ClientLine]) -> None:
        for line in lines[:1]:
            note = f" ({line.note})" if line.note else ""
            self.say(f"{line.clock} received  {line.aggregator} {line.label} {line.shipment} -> {line.stored}{note}")
        for line in lines:
            if line.push is not None:
                for arrival in self._early.pop(line.push.expectation.webhook_id, ()):
                    self.arrived(line.push, arrival)

    def arrived(self, push: DemoPush | None, arrival: Arrival) -> None:
        clock = time.strftime("%H:%M:%S")
        if push is None:
            self.say(
                f"{clock} pushed    {arrival.push_config} got {arrival.status} (posted by you) -> {arrival.answered}"
            )
            return
        if push.stored_at is None:
            self._early.setdefault(push.expectation.webhook_id, []).append(arrival)
            return
        wanted = push.expectation
        outcome = (
            f"pushed    {arrival.push_config} got {_status_words(wanted)}"
            if arrival.taken
            else f"failed    {arrival.push_config}"
        )
        self.say(
            f"{clock} {outcome} {wanted.label} {wanted.shipment} -> {arrival.answered}, "
            f"try {push.tries}, {_latency(push, arrival.at)} after the post"
        )

    def close(self) -> None:
        """Do nothing: every line is printed already."""


class LiveView:
    """The live table: the newest rows, below them one line per client."""

    def __init__(self, console: Console, counts: Counter[str], problems: list[str]) -> None:
        self._console = console
        self._counts = counts
        self._problems = problems
        self._rows: deque[ClientLine] = deque(maxlen=500)
        self._clients: dict[str, Counter[str]] = {}
        self._live = Live(get_renderable=self._render, console=console, refresh_per_second=8, transient=True)
        self._started = False

    def say(self, text: str) -> None:
        self._console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def posted(self, lines: list[ClientLine]) -> None:
        if not self._started:
            self._live.start()
            self._started = True
        self._rows.extend(lines)

    def arrived(self, push: DemoPush | None, arrival: Arrival) -> None:
        """Record the attempt in its row and at its client."""
        client = self._clients.setdefault(arrival.push_config, Counter())
        client[str(arrival.answered)] += 1
        if push is None:
            self._rows.append(
                ClientLine(
                    clock=time.strftime("%H:%M:%S"),
                    aggregator="",
                    label="posted by you",
                    shipment="",
                    stored="",
                    note=f"{arrival.push_config} got {arrival.status} -> {arrival.answered}",
                )
            )

    def close(self) -> None:
        """Print the whole table."""
        if self._started:
            self._live.stop()
            self._console.print(self._table(list(self._rows)[-60:]))
            self._console.print(self._footer())

    def _render(self) -> Group:
        room = max(self._console.height - 6 - len(self._clients), 3)
        return Group(self._table(list(self._rows)[-room:]), self._footer())

    def _table(self, rows: list[ClientLine]) -> Table:
        table = Table(box=None, pad_edge=False, header_style="bold")
        shown = [column for column in _COLUMNS if self._console.width >= column.from_width]
        for column in shown:
            table.add_column(column.name, no_wrap=True, overflow="ellipsis")
        for line in rows:
            table.add_row(*(_shown(column.cell(line)) for column in shown))
        return table

    def _footer(self) -> Text:
        counts = self._counts
        text = Text("\n")
        text.append(
            f"{counts['posts']} posts: {counts['accepted']} updates stored, {counts['duplicates']} duplicates, "
            f"{counts['probes']} probes · {counts['arrived']} of {counts['pushes']} pushes arrived, "
            f"{counts['failed tries']} failed tries\n"
        )
        for name, answers in sorted(self._clients.items()):
            text.append(
                f"{name}: " + ", ".join(f"{count} x {status}" for status, count in sorted(answers.items())) + "\n"
            )
        if self._problems:
            text.append(f"{len(self._problems)} problems, the last: {printable(self._problems[-1])}", style="red")
        return text


def _shown(cell: Text | str) -> Text | str:
    return printable(cell) if isinstance(cell, str) else cell


def _pushed_to(line: ClientLine) -> Text | str:
    return Text(printable(line.note), style="dim") if line.push is None else line.push.expectation.push_config


def _status(line: ClientLine) -> str:
    return "" if line.push is None else _status_words(line.push.expectation)


def _took(line: ClientLine) -> Text:
    push = line.push
    if push is None:
        return Text()
    if push.arrived_at is not None:
        return Text(_latency(push, push.arrived_at), style="green")
    if push.tries:
        return Text(f"{push.answered}: retries", style="yellow")
    return Text("…", style="dim")


class _Column(NamedTuple):
    name: str
    cell: Callable[[ClientLine], Text | str]
    from_width: int = 0
    """Minimum width of the terminal, in columns, at which this column is shown."""


_COLUMNS = (
    _Column("received", lambda line: line.clock, from_width=130),
    _Column("from", lambda line: line.aggregator, from_width=95),
    _Column("tracking update", lambda line: line.label, from_width=120),
    _Column("shipment", lambda line: line.shipment),
    _Column("stored", lambda line: Text(printable(line.stored), style="red" if line.refused else "")),
    _Column("pushed to", _pushed_to),
    _Column("status", _status),
    _Column("try", lambda line: str(line.push.tries or "") if line.push else ""),
    _Column("latency", _took),
)


def make_view(console: Console, counts: Counter[str], problems: list[str]) -> DemoView:
    """The live table for a terminal, plain lines for anything else."""
    return LiveView(console, counts, problems) if console.is_terminal else PlainView(console)


def summary(counts: Mapping[str, int]) -> str:
    return (
        f"{counts['posts']} posts: {counts['accepted']} updates stored, {counts['duplicates']} duplicates not pushed "
        f"again, {counts['probes']} probes; {counts['arrived']} of {counts['pushes']} pushes arrived, "
        f"after {counts['failed tries']} failed tries"
    )
