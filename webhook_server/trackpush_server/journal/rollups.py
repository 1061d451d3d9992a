"""Counts of updates and pushes by the hour, for the rates of the last day and the last week. Pure.

docs/overview.md explains the rules. Times are milliseconds since the epoch.
"""

from enum import IntEnum
from typing import Final

import msgspec

HOUR: Final = 3_600_000
WIDE: Final = 6 * HOUR
"""Width of the buckets of older rows."""
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
MERGED_AT_ONCE: Final = 2 * DAY
"""Older rows that were not merged, because no server ran, stay as they are until they are deleted."""
KEPT: Final = WEEK + DAY
"""Rows that are older are deleted."""


class RollupSubject(IntEnum):
    """What a row counts, as stored."""

    ACCOUNT = 0
    """Updates of an account; the name is its ``namespace/name``."""
    PUSH_CONFIG = 1
    """Attempts and ended pushes of a PushConfig; the name is its ``namespace/name``."""
    STATUS = 2
    """Updates of an aggregator with a status; the name is ``AGGREGATOR/STATUS``."""


class Tallied(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one time."""

    received: int = 0
    delivered: int = 0
    failed: int = 0
    """Attempts that failed."""
    dead: int = 0
    """Pushes that were given up; a push that was sent again and delivered counts, too."""

    def __add__(self, other: "Tallied") -> "Tallied":
        return Tallied(
            received=self.received + other.received,
            delivered=self.delivered + other.delivered,
            failed=self.failed + other.failed,
            dead=self.dead + other.dead,
        )


class NewTally(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers to add to the current hour."""

    subject: RollupSubject
    name: str
    tallied: Tallied


class TallyRow(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of one subject over the last day and the last week."""

    subject: RollupSubject
    name: str
    day: Tallied
    week: Tallied


def day_since(now: int) -> int:
    """Start of the last day, rounded down to a full hour: 24 to 25 hours ago."""
    return (now - DAY) // HOUR * HOUR


def week_since(now: int) -> int:
    """Start of the last week: 7 to 7.25 days ago."""
    return (now - WEEK) // WIDE * WIDE


def narrow_until(now: int) -> int:
    """Rows before this are merged into wide buckets, because no reader needs them by the hour any more."""
    return day_since(now) - HOUR
