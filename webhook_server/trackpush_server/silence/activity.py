"""Decides whether an account is silent. Pure. Times are milliseconds since the epoch.

docs/silence.md explains the rules.
"""

from typing import Final, Literal

import msgspec

from trackpush_api.routing import Account
from trackpush_api.vocabulary import AggregatorName
from trackpush_server.journal.last_updates import AccountTimes, Listening

GRACE: Final = 120_000
"""An account is silent so much later than ``expectEvery`` says. A stored time may be a minute old after a crash, and a
replica reads the times of the others once a minute."""

ActivityState = Literal["receiving", "silent", "waiting", "unknown", "unwatched"]
"""``waiting``: the aggregator has not sent an update yet, and has time left. ``unknown``: the journal could not be read
yet. ``unwatched``: spec.expectEvery is not set."""


class AccountActivity(msgspec.Struct, frozen=True, kw_only=True):
    """When an account's aggregator last sent an update, and whether it is silent."""

    name: str
    """``namespace/name`` of the AggregatorWebhook."""
    aggregator: AggregatorName
    state: ActivityState
    last_update: int | None = None
    """None: it never sent one, or ``state`` is ``unknown``."""
    expect_every: float | None = None
    """Seconds."""
    silent_since: int | None = None
    """If ``silent``: the time of the last update, or the time since which the account is served."""


def activity(account: Account, times: AccountTimes, listening: Listening | None, now: int) -> AccountActivity:
    """The activity of one account; ``listening`` is None as long as the journal could not be read."""
    last = None if times.last_update is None else min(times.last_update, now)
    found = AccountActivity(
        name=account.name,
        aggregator=account.aggregator,
        state="unwatched",
        last_update=last,
        expect_every=account.expect_every,
    )
    if account.expect_every is None:
        return found
    base = max(last or 0, times.served_since or 0)
    if listening is None or not base:
        return msgspec.structs.replace(found, state="unknown")
    if _counted(base, listening, now) >= account.expect_every * 1000 + GRACE:
        return msgspec.structs.replace(found, state="silent", silent_since=last or base)
    return msgspec.structs.replace(found, state="waiting" if last is None else "receiving")


def _counted(base: int, listening: Listening, now: int) -> int:
    """The milliseconds since ``base`` in which a server could receive updates."""
    paused = max(0, min(listening.pause_to, now) - max(listening.pause_from, base))
    return now - base - paused
