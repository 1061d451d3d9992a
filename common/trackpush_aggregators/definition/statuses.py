"""The status table: exact rows in a dictionary, rows with patterns in order. The first row that matches wins."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

from trackpush_aggregators.definition.faults import FaultList
from trackpush_aggregators.parsed import Meaning
from trackpush_aggregators.taxonomy import FAMILY, filter_codes
from trackpush_aggregators.values import text
from trackpush_api.aggregators.profile import folded_code
from trackpush_api.kinds.aggregator_definition import StatusRow
from trackpush_api.plurals import counted
from trackpush_api.vocabulary import Direction, NdrReason, Status

ANY: Final = "*"
DIRECTIONS: Final[Mapping[str, Direction]] = {
    "Forward": Direction.FORWARD,
    "RTO": Direction.RTO,
    "Reverse": Direction.REVERSE,
}
DIRECTION_NAMES: Final[Mapping[Direction, str]] = {direction: name for name, direction in DIRECTIONS.items()}
"""Directions as a resource names them."""
_FLAGS: Final[Mapping[str, tuple[str, ...]]] = {"true": ("y", "yes", "on"), "false": ("n", "no", "off")}
_REMEMBERED: Final = 4096
_FAILURES: Final = frozenset(
    {Status.DELIVERY_FAILED, Status.RETURN_DELIVERY_FAILED, Status.RTO_FAILED, Status.PICKUP_FAILED}
)
_REASONS: Final = {reason.value.replace("_", ""): reason for reason in NdrReason}


class Row(NamedTuple):
    """The meaning of a status in the table."""

    status: Status
    direction: Direction | None
    reason: NdrReason | None = None


class Pattern(NamedTuple):
    """One pattern of a row, folded."""

    text: str
    prefix: bool

    def matches(self, folded: str) -> bool:
        return folded.startswith(self.text) if self.prefix else folded == self.text


def fold(value: str | None) -> str:
    """A value without case and spaces; an empty text if there is no value."""
    return "" if value is None else folded_code(value)


class StatusTable:
    """Finds the row of a status."""

    def __init__(self, rows: Sequence[tuple[tuple[Pattern, ...], Row]]) -> None:
        self._exact: dict[tuple[str, ...], tuple[int, Row]] = {}
        self._patterns: list[tuple[int, tuple[Pattern, ...], Row]] = []
        for number, (patterns, row) in enumerate(rows):
            if any(pattern.prefix for pattern in patterns):
                self._patterns.append((number, patterns, row))
            else:
                self._exact.setdefault(tuple(pattern.text for pattern in patterns), (number, row))

    def find(self, values: Sequence[str | None]) -> Row | None:
        """The first row that matches these values."""
        folded = tuple(map(fold, values))
        number, row = self._exact.get(folded, (None, None))
        for place, patterns, found in self._patterns:
            if number is not None and place > number:
                break
            if all(pattern.matches(value) for pattern, value in zip(patterns, folded, strict=True)):
                return found
        return row


def pattern(written: str) -> Pattern:
    """A pattern of a row: ``*`` at its end stands for any rest."""
    if written.endswith(ANY):
        return Pattern(fold(written[:-1]), prefix=True)
    return Pattern(fold(text(written)), prefix=False)


def spellings(when: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The patterns in each spelling of the same flag: unquoted Y and yes are true in YAML, N and no are false."""
    return product(*((part, *_FLAGS.get(part, ())) for part in when))


def status_table(rows: Sequence[StatusRow], values: int, faults: FaultList) -> StatusTable:
    """The table of these rows; ``values`` is the number of values of a status."""
    made: list[tuple[tuple[Pattern, ...], Row]] = []
    for number, row in enumerate(rows):
        field = f"spec.status.table[{number}].when"
        if len(row.when) != values:
            found = counted(len(row.when), "value")
            faults.add(field, f"has {found}, but spec.status.code has {values}; write one for each, * matches any")
            continue
        if any(ANY in part[:-1] for part in row.when):
            faults.add(field, "contains * before its end; a * is allowed as the last character only")
            continue
        direction = None if row.direction is None else DIRECTIONS[row.direction]
        meaning = Row(row.status, direction, row.ndr_reason)
        made += [(tuple(map(pattern, when)), meaning) for when in spellings(row.when)]
    return StatusTable(made)


class Reported(NamedTuple):
    """The members of a body that decide about its status, as short texts."""

    values: tuple[str | None, ...]
    label: str | None = None
    direction: str | None = None
    reason: str | None = None


def direction_of(given: str | None, directions: Mapping[str, Direction]) -> Direction:
    """The direction that a value stands for."""
    return directions.get(fold(given)) or directions.get(ANY) or Direction.FORWARD


def meanings(table: StatusTable, directions: Mapping[str, Direction]) -> Callable[[Reported], Meaning]:
    """Returns a function that computes the meaning of a reported status. It caches the results."""

    @lru_cache(maxsize=_REMEMBERED)
    def meaning(reported: Reported) -> Meaning:
        row = table.find(reported.values)
        status = Status.UNKNOWN if row is None else row.status
        own = (None if row is None else row.direction) or FAMILY.get(status)
        direction = own or direction_of(reported.direction, directions)
        code = joined(reported.values)
        return Meaning(
            status=status,
            direction=direction,
            code=code,
            label=reported.label,
            codes=filter_codes(status, code, reported.label),
            reason=_reason(status, reported.reason) or (None if row is None else row.reason),
            values=tuple([value or "" for value in reported.values]) if status is Status.UNKNOWN else (),
        )

    return meaning


def joined(values: Sequence[str | None]) -> str | None:
    """The values as clients see them; None if all are empty."""
    return "/".join(value or "" for value in values) if any(values) else None


def _reason(status: Status, given: str | None) -> NdrReason | None:
    if given is None:
        return None
    known = _REASONS.get(fold(given).replace("_", "").replace("-", "").upper())
    return known or (NdrReason.UNKNOWN if status in _FAILURES else None)
