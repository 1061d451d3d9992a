"""Opens the journal's file from outside the journal, with the library that the server uses.

In one process, Python's sqlite3 module would give away the file locks of the server's library, and the other way round.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from trackpush_server.journal.sqlite.connection import SqliteConnection


@contextlib.contextmanager
def journal_file(path: Path) -> Iterator[SqliteConnection]:
    """The file, made if it is missing; each statement is its own transaction."""
    with contextlib.closing(SqliteConnection(str(path))) as connection:
        connection.set_busy_timeout(5000)
        yield connection


def back_up(journal: Path, backup: Path) -> None:
    """Copy the file page by page, by SQLite's own function."""
    with (
        journal_file(journal) as source,
        journal_file(backup) as target,
        target.backup("main", source, "main") as copying,
    ):
        copying.step()
