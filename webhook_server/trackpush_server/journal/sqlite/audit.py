"""The audit log's rows."""

import sqlite3

from trackpush_server.journal.port import MOST_AUDITS, NewAudit
from trackpush_server.journal.queries import load

_SQL = load(f"{__package__}.sql", "audit")
INSERT = _SQL["insert"]
TRIM = _SQL["trim"]


def add(connection: sqlite3.Connection, entry: NewAudit) -> int:
    """See `Journal.audit`; within the writer's transaction."""
    values = (entry.at, entry.actor, entry.role, entry.action, entry.target, entry.address)
    connection.execute(INSERT, values)
    return connection.execute(TRIM, (MOST_AUDITS,)).rowcount
