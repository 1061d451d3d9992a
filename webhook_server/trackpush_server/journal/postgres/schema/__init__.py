"""Migrations of the database, applied in order by the first server that starts; the others wait for its lock.

During a rolling upgrade, two server versions use one schema. So a migration only adds objects (expand). Only a
migration that declares it removes objects that an older server uses (contract): its first line, ``-- needs: N``, is the
number of the newest migration that a server must know to use the resulting schema. Functions have a version in their
names; a new version is added next to the old one.
"""

import asyncio
import random
import re
from typing import Final

import msgspec
from asyncpg import Connection, LockNotAvailableError

from trackpush_server.journal.migrations import NewerSchemaError, numbered_scripts

_NEEDS = re.compile(r"-- needs: (\d+)\n")
_LOCK = 0x7472_6163_6B70_7573
"""Key of the advisory lock: "trackpus" in ASCII."""
_PARTITIONS_AHEAD = 3
"""Days for which partitions are created in advance."""
_LOCK_SECONDS = 2.0
"""How long a migration waits for a table's lock. Meanwhile all other statements on the table wait, so it must be short;
but it must be longer than ``deadlock_timeout`` (1 s), after which autovacuum releases its lock."""
_TRIES = 3
_PAUSE_SECONDS = 2.0
"""Pause between two attempts, ±20 %, in which servers on the older schema can work."""
_JITTER = 0.2

_KNOWN = """
SELECT EXISTS (
    SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'trackpush' AND c.relname = 'schema_changes'
)
"""
"""Reads the catalogue, because `to_regclass` may return a cached result from before the lock."""
_BOOK = """
CREATE SCHEMA IF NOT EXISTS trackpush;
CREATE TABLE trackpush.schema_changes (
    number     integer     PRIMARY KEY,
    name       text        NOT NULL,
    needs      integer     NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
"""
_APPLIED = "SELECT number, name, needs FROM trackpush.schema_changes"
_NOTE = "INSERT INTO trackpush.schema_changes (number, name, needs) VALUES ($1, $2, $3)"


HELD = 2_000_000_000
"""Number of a migration that no version knows. It blocks servers during and after a move of the journal."""
COPYING = "copying"
MOVED = "moved"
_IS_HELD = "SELECT EXISTS (SELECT FROM trackpush.schema_changes WHERE number = $1)"
_SAYS_WHY = "SELECT to_regprocedure('trackpush.held_v1()') IS NOT NULL"
_WHY_HELD = "SELECT trackpush.held_v1()"
_HELD_BEFORE = "its journal was moved, or a copy into it is not finished: correct spec.storage, or finish the copy"
"""Message if an older version set the mark."""


class HeldError(NewerSchemaError):
    """The journal is blocked for servers: it was moved away, or a copy into it is not finished."""


class SchemaChange(msgspec.Struct, frozen=True, kw_only=True):
    """One migration."""

    number: int
    name: str
    needs: int
    """A server that knows the migration with this number can use the resulting schema."""
    script: str


def parse(number: int, name: str, script: str) -> SchemaChange:
    """Parse a migration's file.

    Raises:
        ValueError: its first line is not ``-- needs: N``.
    """
    needs = _NEEDS.match(script)
    if needs is None:
        raise ValueError(f"{number:04}_{name}.sql: its first line must be -- needs: N")
    return SchemaChange(number=number, name=name, needs=int(needs[1]), script=script)


CHANGES: Final = tuple(parse(script.number, script.name, script.text) for script in numbered_scripts(__name__))
"""All migrations of this version, in order. Loaded at import: reading files would block a running event loop."""


async def migrate(connection: Connection, known: tuple[SchemaChange, ...] = CHANGES, *, held: bool = False) -> None:
    """Apply all missing migrations in one transaction, then create partitions in advance.

    A migration never waits long for a lock, because all readers and writers of the table would wait, too: it gives up
    and retries a few times. Servers on the older schema continue to work.

    With ``held``, also migrate a journal that is blocked for servers: for `journal copy`.

    Raises:
        HeldError: the journal is blocked for servers.
        NewerSchemaError: this version is too old for the schema.
        asyncpg.LockNotAvailableError: other transactions held a table during each attempt; nothing was changed.
        asyncpg.PostgresError: another error, such as missing privileges; nothing was changed.
    """
    if not held:
        await _refuse_held(connection)
    if await _missing(connection, known):
        for left in reversed(range(_TRIES)):
            try:
                await _apply(connection, known)
                break
            except LockNotAvailableError:
                if not left:
                    raise
            await asyncio.sleep(_PAUSE_SECONDS * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311
    await connection.execute(f"SELECT trackpush.make_partitions_v1({_PARTITIONS_AHEAD})")


async def _apply(connection: Connection, known: tuple[SchemaChange, ...]) -> None:
    async with connection.transaction(isolation="read_committed"):
        await connection.execute(
            f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {int(_LOCK_SECONDS * 1000)};"
            f" SELECT pg_advisory_xact_lock({_LOCK})"
        )
        if not await connection.fetchval(_KNOWN):
            await connection.execute(_BOOK)
        for change in await _missing(connection, known):
            await connection.execute(change.script)
            await connection.execute(_NOTE, change.number, change.name, change.needs)


async def _refuse_held(connection: Connection) -> None:
    if not await connection.fetchval(_KNOWN) or not await connection.fetchval(_IS_HELD, HELD):
        return
    says_why = await connection.fetchval(_SAYS_WHY)
    raise HeldError(await connection.fetchval(_WHY_HELD) if says_why else _HELD_BEFORE)


async def _missing(connection: Connection, wanted: tuple[SchemaChange, ...]) -> tuple[SchemaChange, ...]:
    if not await connection.fetchval(_KNOWN):
        return wanted
    rows = await connection.fetch(_APPLIED)
    applied = {row["number"]: row["needs"] for row in rows if row["number"] != HELD}
    newest, needed = wanted[-1].number, max(applied.values(), default=0)
    if needed > newest:
        raise NewerSchemaError(
            f"its schema needs a Trackpush that knows change {needed}, this one knows {newest}: run a later version"
        )
    return tuple(change for change in wanted if change.number not in applied)
