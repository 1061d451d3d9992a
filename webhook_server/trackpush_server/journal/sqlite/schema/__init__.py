"""Migrations of the file, applied in order; ``user_version`` is the number of the last one applied."""

from typing import Final

from trackpush_server.journal.migrations import NewerSchemaError, numbered_scripts
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.errors import JournalMovedError
from trackpush_server.journal.sqlite.indexing import store_all_terms

_SCRIPTS: Final = numbered_scripts(__name__)
"""Loaded at import, because reading files would block a running event loop."""
_TERMS_STORED = 7
"""Number of the migration that drops the indexes replaced by ``terms``; `store_all_terms` must run before it."""

_IS_LONG = "SELECT 1 FROM updates LIMIT 1 OFFSET 20000"
TAKES_LONG = "it is being converted for this version of Trackpush, half a minute or more for each million updates"


def changes() -> dict[int, str]:
    """The SQL of all migrations by number."""
    return {script.number: script.text for script in _SCRIPTS}


def takes_long(connection: SqliteConnection) -> bool:
    """Whether `migrate` will take seconds or more, because it must index many updates."""
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    return 0 < version < _TERMS_STORED and connection.execute(_IS_LONG).fetchone() is not None


def refuse_moved(connection: SqliteConnection) -> None:
    """Check that `journal copy` has not moved this journal.

    Raises:
        JournalMovedError: it was moved, and somebody gave the retired file its old name back.
    """
    moved_to, place = connection.execute("SELECT moved_to, moved_to_place FROM journal").fetchone()
    if moved_to is not None:
        raise JournalMovedError(f"its journal was moved to {place}: set spec.storage to that, or end this server")


def migrate(connection: SqliteConnection) -> None:
    """Migrate the file to the newest schema, one migration per transaction. A later run continues an interrupted one.

    A new file gets the whole schema in one transaction, so that it waits once for the disk.

    Raises:
        NewerSchemaError: the file's schema is newer than this version supports.
        SqliteError: the file can't be written; migrations applied before the error remain.
    """
    known = changes()
    current = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if current > max(known):
        raise NewerSchemaError(
            f"its schema is version {current}, this Trackpush knows {max(known)}: run the version that wrote it or a"
            " later one",
        )
    if current == 0:
        _apply(connection, "\n".join(known.values()), max(known))
        return
    for number, script in known.items():
        if number > current:
            if number == _TERMS_STORED:
                store_all_terms(connection)
            _apply(connection, script, number)


def _apply(connection: SqliteConnection, script: str, number: int) -> None:
    connection.execute(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
