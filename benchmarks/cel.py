"""What an expression of a filter costs, beside the same question asked in Python. Prints microseconds and ratios.

Also the worst that `trackpush_api.expressions` lets through: the bound on cost against the clock.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

import paths  # noqa: F401  finds tests/support
from support.bodies import body
from trackpush_aggregators import decode, parse
from trackpush_api.expressions import Expression
from trackpush_api.vocabulary import Aggregator
from trackpush_server.receiver.conditions import UpdateView

ROUNDS, TIMES = 5, 2000
RECEIVED = int(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000)
EXPRESSIONS = (
    "status.code == 'IN_TRANSIT'",
    "status.code in ['LOST', 'DAMAGED'] || shipment.direction == 'rto'",
    "shipment.courier.startsWith('D') && !status.terminal",
    "occurredAtKnown && receivedAt - occurredAt < duration('24h')",
    "shipment.awb.matches('^19[0-9]+$')",
    "has(raw.additional) && raw.additional.order_id.startsWith('SO')",
)


def microseconds(run: Callable[[], Any], times: int = TIMES) -> float:
    """Median of some rounds, for one call."""
    found = []
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        for _ in range(times):
            run()
        found.append((time.perf_counter() - begun) / times * 1e6)
    return median(found)


def main() -> None:
    """The command line."""
    content = body("clickpost", mark=1, shipment=1, second=1)
    (update,) = parse(Aggregator.CLICKPOST, decode(content), content, key=None, received_at=1 << 42).updates
    plain = microseconds(lambda: update.status == "IN_TRANSIT" and update.direction == "forward")
    whole = microseconds(
        lambda: parse(Aggregator.CLICKPOST, decode(content), content, key=None, received_at=1 << 42), 200
    )
    first = microseconds(lambda: UpdateView(update, RECEIVED).variables(raw=False))
    table = Table(title=f"parsing an update takes {whole:.1f} µs; its variables, once an update, {first:.1f} µs")
    for heading in ("expression", "compile µs", "evaluate µs", "ratio to Python's own", "ratio to parsing", "bound µs"):
        table.add_column(heading)
    view = UpdateView(update, RECEIVED)
    for text in EXPRESSIONS:
        expression = Expression(text)
        compiling = microseconds(lambda text=text: Expression(text), 20)  # type: ignore[misc]
        variables = view.variables(raw=expression.reads_raw)
        took = microseconds(lambda expression=expression, variables=variables: expression.holds(variables))  # type: ignore[misc]
        cells = (compiling, took, took / plain, took / whole, expression.most_nanoseconds / 1000)
        table.add_row(text, *(f"{cell:,.2f}" for cell in cells))
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
