"""The audit log in a database."""

from trackpush_server.journal.model import MOST_AUDITS, NewAudit
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres.access import PostgresAccess

_SQL = load(f"{__package__}.sql", "reading")


class PostgresAuditLog:
    """See `trackpush_server.journal.ports.AuditLog`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._pool = access.pool

    async def add(self, entry: NewAudit) -> None:
        values = (entry.at, entry.actor, entry.role, entry.action, entry.target, entry.address)
        number = await self._pool.write(_SQL["audit"], *values)
        await self._pool.fetch(_SQL["trim_audits"], number - MOST_AUDITS)
