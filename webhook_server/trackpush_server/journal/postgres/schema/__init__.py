"""Numbered schema changes, applied in order by whichever server comes first, under a lock that the others wait for.

Two server versions run on one schema while an upgrade rolls: a change only adds (expand), and what an older server
calls is taken away (contract) no sooner than by a change that says so. Its first line, ``-- needs: N``, is the number
of the change that a server must know to run on it. Functions have a version in their name; a newer one is added beside
the older.
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
"""Of the advisory lock: "trackpus"."""
_PARTITIONS_AHEAD = 3
"""Days."""
_LOCK_SECONDS = 2.0
"""How long a change waits for a table that somebody reads. All others wait behind the change meanwhile, so it must be
short; but it must be longer than ``deadlock_timeout`` (1 s), after which an autovacuum gives way."""
_TRIES = 3
_PAUSE_SECONDS = 2.0
"""Between two tries, ±20 %: servers on the older schema catch up."""
_JITTER = 0.2

_KNOWN = """
SELECT EXISTS (
    SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = 'trackpush' AND c.relname = 'schema_changes'
)
"""
"""By the catalogue itself: `to_regclass` may remember from before the lock."""
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
"""Number of a change that no version knows: it keeps servers off while, and after, the journal is moved."""
COPYING = "copying"
MOVED = "moved"
_IS_HELD = "SELECT EXISTS (SELECT FROM trackpush.schema_changes WHERE number = $1)"
_SAYS_WHY = "SELECT to_regprocedure('trackpush.held_v1()') IS NOT NULL"
_WHY_HELD = "SELECT trackpush.held_v1()"
_HELD_BEFORE = "its journal was moved, or a copy into it is not finished: correct spec.storage, or finish the copy"
"""Where an older version set the mark."""


class HeldError(NewerSchemaError):
    """The journal was moved away, or a copy into it is not finished: no server may use it."""


class SchemaChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the schema."""

    number: int
    name: str
    needs: int
    """A server that knows the change with this number runs on the result."""
    script: str


def parse(number: int, name: str, script: str) -> SchemaChange:
    """A change from its file.

    Raises:
        ValueError: its first line doesn't say what it needs.
    """
    needs = _NEEDS.match(script)
    if needs is None:
        raise ValueError(f"{number:04}_{name}.sql: its first line must be -- needs: N")
    return SchemaChange(number=number, name=name, needs=int(needs[1]), script=script)


CHANGES: Final = tuple(parse(script.number, script.name, script.text) for script in numbered_scripts(__name__))
"""All that this version knows, in order. Read at the import: a running loop must not wait for files."""


async def migrate(connection: Connection, known: tuple[SchemaChange, ...] = CHANGES, *, held: bool = False) -> None:
    """Bring the database to the newest schema that this version knows, all or nothing; make partitions ahead.

    A change never waits long for a lock, as every reader and writer of the table would wait behind it: it gives up and
    is tried again, a few times. Servers that run on the older schema serve on.

    ``held``: also where the journal is kept from servers, for `journal copy`.

    Raises:
        NewerSchemaError: this version is too old for the schema; HeldError: no server may use this journal.
        asyncpg.LockNotAvailableError: transactions of others held a table during each try; nothing was changed.
        asyncpg.PostgresError: what the database says, such as missing rights; nothing was changed.
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
