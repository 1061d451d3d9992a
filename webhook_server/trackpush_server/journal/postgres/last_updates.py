"""Stores when accounts' aggregators last sent an update, under the counter's lock, as an append does.

An append stores the times of its updates itself: ``arrived_v1``.
"""

from collections.abc import Sequence

from trackpush_server.journal.last_updates import AccountTimes, LastUpdates, Listening, listened
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.session import Session

SQL = load(f"{__package__}.sql", "last_updates")
_LOCK = load(f"{__package__}.sql", "reading")["lock"]


class PostgresLastUpdates:
    """See `trackpush_server.journal.ports.LastUpdateStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access

    async def serve(self, accounts: Sequence[str], *, now: int, again: bool) -> None:
        self._access.appends.check()
        names = self._access.names
        async with self._access.pool.session() as session:
            await names.learn(session, accounts=accounts, push_configs=())
            # The writer may clear the cache at any time; the next round serves the missing accounts.
            numbers = [number for account in accounts if (number := names.accounts.get(account)) is not None]
            async with session.begin():
                await session.fetch(_LOCK)
                await session.fetch(SQL["reset_since" if again else "keep_since"], numbers, now)

    async def listen(self, *, now: int) -> LastUpdates:
        self._access.appends.check()
        async with self._access.pool.session() as session, session.begin():
            await session.fetch(_LOCK)
            previous = await _listening(session)
            if previous is not None and now < previous.until:
                await session.fetch(SQL["clamp"], now)
            listening = listened(previous, now)
            await session.fetch(SQL["listen"], listening.until, listening.pause_from, listening.pause_to)
            rows = await session.fetch(SQL["all"])
        return LastUpdates(
            listening=listening,
            accounts={
                row["name"]: AccountTimes(last_update=row["last_update"], served_since=row["served_since"])
                for row in rows
            },
        )


async def _listening(session: Session) -> Listening | None:
    row = await session.row(SQL["listening"])
    return None if row is None else Listening(**dict(row))
