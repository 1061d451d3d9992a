"""/last-updates: when each account's aggregator last sent an update. Pure.

The operator derives the condition ``Receiving`` and ``status.lastUpdateTime`` of AggregatorWebhooks from it.
"""

from collections.abc import Iterable

import msgspec

from trackpush_server.silence.activity import AccountActivity, ActivityState


class ReportedAccount(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One account. Times are milliseconds since the epoch."""

    name: str
    state: ActivityState
    last_update: int | None = None
    silent_since: int | None = None


class LastUpdatesReport(msgspec.Struct, frozen=True, kw_only=True):
    """The response of /last-updates."""

    accounts: tuple[ReportedAccount, ...]
    """Without accounts that never got an update and are not watched."""


def last_updates(found: Iterable[AccountActivity]) -> LastUpdatesReport:
    return LastUpdatesReport(
        accounts=tuple(
            ReportedAccount(
                name=account.name,
                state=account.state,
                last_update=account.last_update,
                silent_since=account.silent_since,
            )
            for account in found
            if account.state != "unwatched" or account.last_update is not None
        )
    )
