"""Writes the table of docs/reliability.md from the results of the fault tests.

Each test writes its own row and checks it against the page: the words must be the page's, figures may differ from run
to run. ``make reliability`` rewrites the page with the figures of that run.
"""

import os
import re
from pathlib import Path
from typing import Final

import msgspec

PAGE: Final = Path(__file__).parents[2] / "docs" / "reliability.md"
WRITES: Final = "TRACKPUSH_RELIABILITY"
_BEGIN: Final = """\
<!-- rows: made by the tests -->

| fault | storage | the aggregator gets | the client gets | result |
|---|---|---|---|---|
"""
_END: Final = "\n<!-- end of rows -->\n"
"""Comments are outside the table: between its lines they would end it on the site."""
_FIGURE: Final = re.compile(r"\d[\d,.]*")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One fault."""

    fault: str
    storage: str
    aggregator: str
    """What it sees."""
    client: str
    accepted: int
    """Updates that were answered with 200 around the fault."""
    lost: int
    doubled: int
    """Pushes that a client got more than once."""

    def line(self) -> str:
        """The row as the page has it."""
        result = f"{self.accepted:,} accepted, {self.lost} lost, {self.doubled} twice"
        return f"| {self.fault} | {self.storage} | {self.aggregator} | {self.client} | {result} |\n"


def tell(row: Row) -> None:
    """Check the row against the page, or write it there.

    Raises:
        AssertionError: something was lost, or the page says something else.
    """
    assert row.lost == 0, row
    text = PAGE.read_text(encoding="utf-8")
    before, rows, after = _parts(text)
    key = f"| {row.fault} | {row.storage} |"
    if os.environ.get(WRITES):
        kept = [row for row in rows if not row.startswith(key)]
        order = sorted([*kept, row.line()])
        PAGE.write_text(before + "".join(order) + after, encoding="utf-8")
        return
    (told,) = [row for row in rows if row.startswith(key)] or [""]
    assert without_figures(told) == without_figures(row.line()), "docs/reliability.md differs; run make reliability"


def without_figures(line: str) -> str:
    """Its words."""
    return _FIGURE.sub("#", line)


def _parts(text: str) -> tuple[str, list[str], str]:
    before, begin, rest = text.partition(_BEGIN)
    rows, end, after = rest.partition(_END)
    assert begin
    assert end, f"{PAGE.name} has lost the marks around its rows"
    return before + begin, rows.splitlines(keepends=True), end + after
