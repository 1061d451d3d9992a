"""The accounts with their last updates, for the admin API, the console and `trackpush status`. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from trackpush_aggregators.updates import rfc3339
from trackpush_server.admin.finding import AccountStatus
from trackpush_server.silence.activity import AccountActivity, ActivityState

Time = Annotated[str, Meta(description="RFC 3339, UTC.", extra_json_schema={"format": "date-time"})]


class AccountHealth(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One account: when its aggregator last sent an update."""

    name: str
    client: str
    aggregator: str
    state: ActivityState
    """``waiting``: no update has arrived yet. ``unwatched``: spec.expectEvery is not set."""
    last_update_at: Time | None
    expect_every_seconds: float | None
    silent_since: Time | None
    """The time of the last update of a silent account, or since when it is served."""


class AccountList(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A page of the accounts by name, starting after the account ``after``."""

    accounts: tuple[AccountHealth, ...]
    after: str | None


def accounts(
    found: Sequence[AccountActivity],
    *,
    client: str | None = None,
    state: ActivityState | None = None,
    after: str = "",
    limit: int,
) -> AccountList:
    """The accounts that match and whose name is greater than ``after``; ``found`` is ordered by name."""
    later = found[bisect_right(found, after, key=lambda account: account.name) :]
    matching = [
        account
        for account in later
        if state in {None, account.state} and (client is None or account.name.startswith(f"{client}/"))
    ]
    page = tuple(map(account_health, matching[:limit]))
    return AccountList(accounts=page, after=page[-1].name if len(matching) > limit else None)


def account_health(account: AccountActivity) -> AccountHealth:
    return AccountHealth(
        name=account.name,
        client=account.name.partition("/")[0],
        aggregator=account.aggregator,
        state=account.state,
        last_update_at=None if account.last_update is None else rfc3339(account.last_update),
        expect_every_seconds=account.expect_every,
        silent_since=None if account.silent_since is None else rfc3339(account.silent_since),
    )


def statuses(found: Sequence[AccountActivity]) -> tuple[AccountStatus, ...]:
    """The accounts for `trackpush status`: silent ones first, then those whose last update is oldest."""
    ordered = sorted(found, key=lambda account: (account.state != "silent", account.last_update or 0, account.name))
    return tuple(
        AccountStatus(
            name=account.name,
            state=account.state,
            last_update_at=None if account.last_update is None else rfc3339(account.last_update),
            expect_every_seconds=account.expect_every,
        )
        for account in ordered
    )
