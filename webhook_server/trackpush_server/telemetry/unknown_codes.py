"""Counts the codes that arrived as UNKNOWN, by aggregator and code, since the start of the process.

In memory only, and bounded, because a sender chooses its codes. There is no metric with a label for each code: that
would be a series for each text that anybody sends.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from trackpush_server.receiver.intake import UnknownReport

MOST: Final = 1000
"""Codes that are remembered."""
_KEPT: Final = 750
"""Codes that stay when there are too many: dropping many at once makes each new code cheap."""

_Place = tuple[str, tuple[str, ...], str | None]


class UnknownCode(msgspec.Struct, frozen=True, kw_only=True):
    """One code of one aggregator. Times are in milliseconds since the epoch."""

    aggregator: str
    code: str | None
    """As clients see it; None if the updates had none."""
    label: str | None
    """The label of the latest update with this code."""
    values: tuple[str, ...]
    """What a row of the definition's table must match; empty for a built-in aggregator."""
    count: int
    first_at: int
    last_at: int


class CodeCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The codes, most frequent first."""

    since: int
    """Start of the count, in milliseconds since the epoch."""
    codes: tuple[UnknownCode, ...]
    forgotten: int = 0
    """Updates whose rare codes were dropped because there were too many different ones."""


class UnknownCodes:
    """The counts of one process."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._since = self._now()
        self._codes: dict[_Place, UnknownCode] = {}
        self._forgotten = 0

    def count(self, aggregator: str, reports: Iterable[UnknownReport]) -> None:
        """Count these updates of one request."""
        now = self._now()
        for report in reports:
            self._add(
                UnknownCode(
                    aggregator=aggregator,
                    code=report.code,
                    label=report.label,
                    values=report.values,
                    count=1,
                    first_at=now,
                    last_at=now,
                )
            )

    def add(self, counted: CodeCounts) -> None:
        """Add the counts of another process."""
        self._forgotten += counted.forgotten
        for code in counted.codes:
            self._add(code)

    def counted(self) -> CodeCounts:
        return CodeCounts(since=self._since, codes=tuple(self._by_count()), forgotten=self._forgotten)

    def take(self) -> CodeCounts | None:
        """The counts since the last call, which begin again at zero; None if there are none."""
        if not self._codes and not self._forgotten:
            return None
        counted = self.counted()
        self._codes, self._forgotten = {}, 0
        return counted

    def _add(self, code: UnknownCode) -> None:
        place = _place(code)
        known = self._codes.get(place)
        if known is not None:
            self._codes[place] = _sum(known, code)
            return
        if len(self._codes) >= MOST:
            self._drop_rare()
        self._codes[place] = code

    def _drop_rare(self) -> None:
        found = self._by_count()
        self._codes = {_place(code): code for code in found[:_KEPT]}
        self._forgotten += sum(code.count for code in found[_KEPT:])

    def _by_count(self) -> list[UnknownCode]:
        return sorted(self._codes.values(), key=lambda code: (-code.count, -code.last_at, _place(code)[:2]))

    def _now(self) -> int:
        return int(self._wall() * 1000)


def _place(code: UnknownCode) -> _Place:
    """What tells codes apart. A label belongs to it only if it is all that a built-in aggregator sent."""
    if code.values:
        return code.aggregator, code.values, None
    return code.aggregator, (), code.label if code.code is None else code.code


def _sum(known: UnknownCode, more: UnknownCode) -> UnknownCode:
    latest = more if more.last_at >= known.last_at else known
    return msgspec.structs.replace(
        latest,
        count=known.count + more.count,
        first_at=min(known.first_at, more.first_at),
    )
