"""Reads what was announced to people, for a copy."""

from typing import Any

import asyncpg

from trackpush_server.journal.announcements import (
    Announced,
    CollectedEvent,
    MessageRecord,
    SubjectTotal,
    TargetState,
)
from trackpush_server.journal.postgres.announcements import SQL


async def read_announcements(connection: asyncpg.Connection) -> dict[str, Any]:
    """The fields of `UnscopedRecords` about messages to people."""
    return {
        "announced": tuple(Announced(**dict(row)) for row in await connection.fetch(SQL["announced"])),
        "announced_events": tuple(CollectedEvent(**dict(row)) for row in await connection.fetch(SQL["all_collected"])),
        "announcement_targets": tuple(TargetState(**dict(row)) for row in await connection.fetch(SQL["targets"])),
        "messages": tuple(MessageRecord(**dict(row)) for row in await connection.fetch(SQL["all_bodies"])),
        "subject_totals": tuple(SubjectTotal(**dict(row)) for row in await connection.fetch(SQL["totals"])),
    }
