"""The journal on SQLite: the default; one process, one file."""

from trackpush_server.journal.sqlite.adapter import SqliteJournal

__all__ = ["SqliteJournal"]
