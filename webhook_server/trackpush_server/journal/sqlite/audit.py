"""The audit log's rows."""

from trackpush_server.journal.model import MOST_AUDITS, NewAudit
from trackpush_server.journal.queries import load
from trackpush_server.journal.sqlite.connection import SqliteConnection

_SQL = load(f"{__package__}.sql", "audit")
INSERT = _SQL["insert"]
TRIM = _SQL["trim"]


def add(connection: SqliteConnection, entry: NewAudit) -> int:
    """See `Journal.audit`; within the writer's transaction."""
    values = (entry.at, entry.actor, entry.role, entry.action, entry.target, entry.address)
    connection.execute(INSERT, values)
    return connection.change(TRIM, (MOST_AUDITS,))
