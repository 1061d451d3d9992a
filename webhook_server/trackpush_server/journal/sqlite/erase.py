"""Finds and erases what updates tell of people. The rows stay: states, times, and the key that tells a repeat."""

import sqlite3
from collections.abc import Sequence

import msgspec

from trackpush_server.journal.port import Erasure, Found, Subject

OF_AWB = """
SELECT id FROM updates WHERE shipment = :awb
UNION SELECT id FROM updates WHERE awb = :awb AND awb <> shipment
UNION SELECT id FROM updates WHERE forward_awb = :awb
ORDER BY id
"""
"""Few: a shipment has tens of updates."""

ONE = "SELECT id, account_id, erased_at FROM updates WHERE id = ?"

NEXT_IDS = "SELECT id, account_id, erased_at FROM updates WHERE id > ? ORDER BY id LIMIT ?"
"""A stretch of all updates: a client's aren't indexed, and an erasure of a client is no daily thing."""

ACCOUNTS = "SELECT id FROM names WHERE substr(name, 1, length(:client) + 1) = :client || '/'"

BLANK_UPDATES = """
UPDATE updates SET shipment = '', awb = NULL, forward_awb = NULL, order_id = NULL, notification = x'', body = x'',
    trace = NULL, erased_at = :now
WHERE id IN (SELECT value FROM json_each(:ids)) AND erased_at IS NULL
"""
BLANK_ATTEMPTS = "UPDATE attempts SET error = NULL WHERE update_id IN (SELECT value FROM json_each(:ids))"
END_PUSHES = """
UPDATE pushes SET state = CASE state WHEN 0 THEN 3 ELSE state END, due_at = 0, ended_at = coalesce(ended_at, :now),
    error = CASE state WHEN 0 THEN 'erased before it was delivered' END
WHERE update_id IN (SELECT value FROM json_each(:ids))
"""
COUNT = "UPDATE erasures SET updates = updates + ?, pushes = pushes + ? WHERE id = ?"
BEGIN = "INSERT INTO erasures (subject, reason, begun_at) VALUES (?, ?, ?)"
END = "UPDATE erasures SET ended_at = ? WHERE id = ?"
RECORDS = """
SELECT id, subject, reason, begun_at, ended_at, updates, pushes FROM erasures ORDER BY id DESC LIMIT ?
"""


def find(connection: sqlite3.Connection, subject: Subject, after: int, limit: int) -> Found:
    """See `Journal.find_erasable`."""
    accounts = None
    if subject.client is not None:
        accounts = {row[0] for row in connection.execute(ACCOUNTS, {"client": subject.client})}
    if subject.awb is not None:
        ids = [row[0] for row in connection.execute(OF_AWB, {"awb": subject.awb}) if row[0] > after]
        rows = [connection.execute(ONE, (one,)).fetchone() for one in ids]
        return Found(_wanted(rows, accounts), None)
    rows = connection.execute(NEXT_IDS, (after, limit)).fetchall()
    return Found(_wanted(rows, accounts), rows[-1][0] if len(rows) == limit else None)


def _wanted(rows: Sequence[tuple[int, int, int | None]], accounts: set[int] | None) -> tuple[int, ...]:
    return tuple(
        update_id
        for update_id, account, erased_at in rows
        if erased_at is None and (accounts is None or account in accounts)
    )


def erase(connection: sqlite3.Connection, erasure: int, update_ids: Sequence[int], now: int) -> int:
    """See `Journal.erase`; within the writer's transaction."""
    values = {"ids": msgspec.json.encode(update_ids).decode(), "now": now}
    updates = connection.execute(BLANK_UPDATES, values).rowcount
    pushes = connection.execute(END_PUSHES, values).rowcount
    connection.execute(BLANK_ATTEMPTS, values)
    connection.execute(COUNT, (updates, pushes, erasure))
    return updates


def records(connection: sqlite3.Connection, limit: int) -> tuple[Erasure, ...]:
    """See `Journal.erasures`."""
    return tuple(
        Erasure(
            id=row[0], subject=row[1], reason=row[2], begun_at=row[3], ended_at=row[4], updates=row[5], pushes=row[6]
        )
        for row in connection.execute(RECORDS, (limit,))
    )
