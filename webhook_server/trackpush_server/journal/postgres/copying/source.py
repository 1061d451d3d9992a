"""A journal in PostgreSQL as the source of a copy.

The whole copy is one transaction on the source. It first locks out all writers, then reads, and at the end sets the
mark that blocks servers. So everything that a server (of any version) answered with 200 was committed before the copy
read it, and later writes fail because of the mark. If the copy is killed, the source is unchanged.
"""

from collections.abc import Callable
from typing import Any

from trackpush_server.journal.copying.records import JournalPlace, TransferError
from trackpush_server.journal.postgres import schema
from trackpush_server.journal.postgres.copying.database import SQL, CopyingDatabase, explained
from trackpush_server.journal.postgres.copying.reading import PostgresReading


class PostgresSource:
    """Implements `CopySource` for the journal of a database."""

    def __init__(self, dsn: str, say: Callable[[str], None] = lambda _: None) -> None:
        self._database = CopyingDatabase(dsn, say)
        self._transaction: Any = None
        self._id = ""
        self._moved_to: JournalPlace | None = None

    @property
    def id(self) -> str:
        return self._id

    @property
    def moved_to(self) -> JournalPlace | None:
        return self._moved_to

    async def open(self) -> PostgresReading:
        database = self._database
        await database.open()
        with explained():
            mark = await database.mark()
            if mark == schema.COPYING:
                raise TransferError("this database holds an unfinished copy, not a journal; name the other one")
            await database.migrate()
            if mark is None:
                await database.refuse_if_served()
                self._transaction = database.connection.transaction(isolation="read_committed")
                await self._transaction.start()
                await database.fence()
                # Read the mark again: another copy may have moved the journal while this one waited for the locks.
                mark = await database.mark()
            found = await database.identity()
        self._id = found["id"]
        if mark is not None:
            self._moved_to = JournalPlace(found["moved_to"] or "", found["moved_to_place"] or "")
        return PostgresReading(database.connection)

    async def retire(self, to: JournalPlace) -> None:
        with explained():
            if self._moved_to is None:
                await self._database.hold(schema.MOVED)
            await self._database.connection.execute(SQL["moved"], to.id, to.name)
            if self._transaction is not None:
                await self._transaction.commit()
                self._transaction = None

    async def close(self) -> None:
        await self._database.close()
