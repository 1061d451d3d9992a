"""When each account's aggregator last sent an update, and while no server could have received one. Pure.

docs/silence.md explains the rules. Times are milliseconds since the epoch.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from trackpush_server.journal.model import NewUpdate

STORE_EVERY: Final = 60_000
"""Minimum milliseconds between two writes of one account's time, so that a commit rarely writes one.

After a crash, a stored time is older than the true one by at most this.
"""
LONGEST_PAUSE: Final = 600_000
"""A longer pause between two calls of `LastUpdateStore.listen` does not count as silence: a server was down, could not
store, or its clock was set forward."""


class AccountTimes(msgspec.Struct, frozen=True, kw_only=True):
    """The times of one account."""

    last_update: int | None = None
    """When its aggregator last sent an update, including duplicates; None if it never did."""
    served_since: int | None = None
    """When a server first served it; later if it was deleted and created again."""


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """When the servers of a journal could receive updates."""

    until: int
    """The latest time at which one of them said that it can."""
    pause_from: int = 0
    pause_to: int = 0
    """The latest pause that was longer than `LONGEST_PAUSE`."""


class LastUpdates(msgspec.Struct, frozen=True, kw_only=True):
    """The stored times of all accounts."""

    listening: Listening
    accounts: dict[str, AccountTimes] = {}
    """By ``namespace/name``."""


def arrivals(updates: Iterable[NewUpdate]) -> dict[str, int]:
    """The time of the latest of these updates of each account."""
    latest: dict[str, int] = {}
    for update in updates:
        at = update.arrived_at or update.received_at
        if at > latest.get(update.account, 0):
            latest[update.account] = at
    return latest


def is_due(stored: int | None, at: int, now: int) -> bool:
    """Whether an arrival at ``at`` must be stored, if ``stored`` was the time that was stored last."""
    return stored is None or at >= stored + STORE_EVERY or stored > now


def later(stored: int | None, at: int, now: int) -> int:
    """The later of two times. A time after now is from a clock that was wrong, so any other time replaces it."""
    return at if stored is None or stored > now else max(stored, at)


def listened(previous: Listening | None, now: int) -> Listening:
    """The state after a server said at ``now`` that it can receive updates."""
    if previous is None:
        return Listening(until=now)
    if now < previous.until:  # the clock was set back
        return Listening(until=now, pause_from=min(previous.pause_from, now), pause_to=min(previous.pause_to, now))
    if now - previous.until > LONGEST_PAUSE:
        return Listening(until=now, pause_from=previous.until, pause_to=now)
    return msgspec.structs.replace(previous, until=now)
