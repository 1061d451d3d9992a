"""Writes the note about the WAL, and compares it with the WAL at start. Used by the writer thread."""

import contextlib
import time
from pathlib import Path
from typing import Final

from trackpush_server.journal.sqlite.connection import SqliteConnection, SqliteError
from trackpush_server.journal.sqlite.folder import FILE_NAME, NOTE
from trackpush_server.journal.sqlite.note import LogFound, Note, NoteFile, Salt, read_salt, what_is_missing

_EVERY_SECONDS: Final = 0.25
"""Interval under load. When no commit follows, the note is written after `_PAUSE_SECONDS`."""
_PAUSE_SECONDS: Final = 0.05
_LAST_ID: Final = "SELECT coalesce(max(id), 0) FROM updates"
"""Works with every schema version, because it runs before the migration."""


class LogNote:
    """Maintains the note of one journal."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / f"{FILE_NAME}-wal"
        self._file = NoteFile(folder / NOTE)
        self._before: tuple[Note | None, Salt | None] | None = None
        self._compared = False
        self._stale = True
        self._due_at = 0.0
        self.missing: str | None = None
        """What the WAL had lost when this process opened it; None if nothing."""
        self.given = 0
        """The highest id in any note. Ids must not be reused after a restore of an older file."""

    def open(self) -> None:
        """Read the note and the WAL's salt. Call it before the file is opened, which may remove the WAL."""
        if self._before is None:
            note = self._file.read()
            self._before = note, read_salt(self._log)
            if note is not None:
                self.given = max(self.given, note.given, note.last_id)

    def opened(self, connection: SqliteConnection) -> None:
        """Compute `missing`. Call it before the first write. Compares only once: later notes are this process's own."""
        if self._compared or self._before is None:
            return
        note, salt = self._before
        self.missing = what_is_missing(note, LogFound(_last_id(connection), connection.log_frames().total, salt))
        self._compared = True

    def committed(self, connection: SqliteConnection) -> None:
        """Call after a commit: writes the note, unless it was written a moment ago."""
        self._stale = True
        if time.monotonic() >= self._due_at:
            with contextlib.suppress(SqliteError):  # the next commit reports the fault
                self.rest(connection)

    def patience(self, longest: float) -> float:
        """Seconds to wait for the next commit before `rest` is called; at most ``longest``."""
        return min(longest, _PAUSE_SECONDS) if self._stale else longest

    def rest(self, connection: SqliteConnection) -> None:
        """Write the note, unless it is up to date."""
        if self._stale:
            frames, salt = connection.log_frames().total, read_salt(self._log)
            self._file.write(self._note(connection, frames=frames, salt=salt))
            self._stale = False
            self._due_at = time.monotonic() + _EVERY_SECONDS

    def end(self, connection: SqliteConnection) -> None:
        """Call before an orderly close, which copies the whole WAL into the file: writes a note without a WAL."""
        with contextlib.suppress(SqliteError):
            self._file.write(self._note(connection))
        self._stale = True

    def _note(self, connection: SqliteConnection, *, frames: int = 0, salt: Salt | None = None) -> Note:
        last = _last_id(connection)
        self.given = max(self.given, last)
        return Note(last_id=last, frames=frames, salt=salt, given=self.given)

    def close(self) -> None:
        """Close the note's file."""
        self._file.close()


def _last_id(connection: SqliteConnection) -> int:
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'updates'").fetchone() is None:
        return 0
    return int(connection.execute(_LAST_ID).fetchone()[0])
