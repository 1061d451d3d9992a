"""The audit log's rows."""

import sqlite3

from trackpush_server.journal.port import MOST_AUDITS, NewAudit

INSERT = "INSERT INTO audits (at, actor, role, action, target, address) VALUES (?, ?, ?, ?, ?, ?)"
TRIM = "DELETE FROM audits WHERE id <= (SELECT max(id) FROM audits) - ?"


def add(connection: sqlite3.Connection, entry: NewAudit) -> int:
    """See `Journal.audit`; within the writer's transaction."""
    values = (entry.at, entry.actor, entry.role, entry.action, entry.target, entry.address)
    connection.execute(INSERT, values)
    return connection.execute(TRIM, (MOST_AUDITS,)).rowcount
