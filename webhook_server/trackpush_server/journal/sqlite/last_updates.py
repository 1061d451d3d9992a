"""Stores when accounts' aggregators last sent an update, in the writer's transaction.

`NameNumbers.arrived` stores the times of updates, in the transaction that stores these.
"""

from collections.abc import Sequence

import msgspec

from trackpush_server.journal.last_updates import AccountTimes, LastUpdates, Listening, listened
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection

SQL = load(f"{__package__}.sql", "last_updates")
_rows = msgspec.json.Decoder(list[tuple[str, int | None, int | None]])


class SqliteLastUpdates:
    """See `trackpush_server.journal.ports.LastUpdateStore`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def serve(self, accounts: Sequence[str], *, now: int, again: bool) -> None:
        await self._access.write(lambda connection: _serve(connection, accounts, now, again=again))

    async def listen(self, *, now: int) -> LastUpdates:
        return await self._access.write(lambda connection: _listen(connection, now))


def _serve(connection: SqliteConnection, accounts: Sequence[str], now: int, *, again: bool) -> None:
    values = {"accounts": msgspec.json.encode(accounts).decode(), "now": now}
    connection.execute(SQL["name_accounts"], values)
    connection.execute(SQL["reset_since" if again else "keep_since"], values)


def _listen(connection: SqliteConnection, now: int) -> LastUpdates:
    previous = read_listening(connection)
    if previous is not None and now < previous.until:
        connection.execute(SQL["clamp"], {"now": now})
    listening = listened(previous, now)
    write_listening(connection, listening)
    return LastUpdates(listening=listening, accounts=read_accounts(connection))


def read_listening(connection: SqliteConnection) -> Listening | None:
    row = connection.execute(SQL["listening"]).fetchone()
    return None if row is None else Listening(until=row[0], pause_from=row[1], pause_to=row[2])


def write_listening(connection: SqliteConnection, listening: Listening) -> None:
    connection.execute(SQL["stop_listening"])
    connection.execute(SQL["listen"], (listening.until, listening.pause_from, listening.pause_to))


def read_accounts(connection: SqliteConnection) -> dict[str, AccountTimes]:
    """All accounts, by name."""
    rows = _rows.decode(connection.execute(SQL["all_at_once"]).fetchone()[0])
    return {name: AccountTimes(last_update=at, served_since=since) for name, at, since in rows}
