"""The audit log of a journal file."""

from trackpush_server.journal.model import MOST_AUDITS, NewAudit
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.sqlite.access import SqliteAccess
from trackpush_server.journal.sqlite.connection import SqliteConnection

_SQL = load(f"{__package__}.sql", "audit")
INSERT = _SQL["insert"]
TRIM = _SQL["trim"]


class SqliteAuditLog:
    """See `trackpush_server.journal.ports.AuditLog`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def add(self, entry: NewAudit) -> None:
        await self._access.write(lambda connection: add(connection, entry))


def add(connection: SqliteConnection, entry: NewAudit) -> int:
    """See `AuditLog.add`; within the writer's transaction."""
    values = (entry.at, entry.actor, entry.role, entry.action, entry.target, entry.address)
    connection.execute(INSERT, values)
    return connection.change(TRIM, (MOST_AUDITS,))
