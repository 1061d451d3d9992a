"""Keeps the note of the log up to date, and compares it with what is there at the start. Used by the writer thread."""

import contextlib
import time
from pathlib import Path
from typing import Final

from trackpush_server.journal.sqlite.connection import SqliteConnection, SqliteError
from trackpush_server.journal.sqlite.folder import FILE_NAME, NOTE
from trackpush_server.journal.sqlite.note import LogFound, Note, NoteFile, Salt, read_salt, what_is_missing

_EVERY_SECONDS: Final = 0.25
"""Under load; the last commits before a pause are noted after `_PAUSE_SECONDS`."""
_PAUSE_SECONDS: Final = 0.05
_LAST_ID: Final = "SELECT coalesce(max(id), 0) FROM updates"
"""Of any version of the schema: it is asked before the file is brought up to date."""


class LogNote:
    """The note of one journal."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / f"{FILE_NAME}-wal"
        self._file = NoteFile(folder / NOTE)
        self._before: tuple[Note | None, Salt | None] | None = None
        self._compared = False
        self._stale = True
        self._due_at = 0.0
        self.missing: str | None = None
        """What the log lacked when this process began."""
        self.given = 0
        """The highest id that any note told of: ids must not go back over a file restored from a backup."""

    def open(self) -> None:
        """Before the file is opened, which may remove the log: read what was noted, and which log is there."""
        if self._before is None:
            note = self._file.read()
            self._before = note, read_salt(self._log)
            if note is not None:
                self.given = max(self.given, note.given, note.last_id)

    def opened(self, connection: SqliteConnection) -> None:
        """Before anything is written: find out what the log lacks. Only what another process left is judged."""
        if self._compared or self._before is None:
            return
        note, salt = self._before
        self.missing = what_is_missing(note, LogFound(_last_id(connection), connection.log_frames().total, salt))
        self._compared = True

    def committed(self, connection: SqliteConnection) -> None:
        """After a commit: note it, unless that was done a moment ago."""
        self._stale = True
        if time.monotonic() >= self._due_at:
            with contextlib.suppress(SqliteError):  # the next commit finds it, and tells
                self.rest(connection)

    def patience(self, longest: float) -> float:
        """How many seconds to wait for the next commit before `rest`."""
        return min(longest, _PAUSE_SECONDS) if self._stale else longest

    def rest(self, connection: SqliteConnection) -> None:
        """Note what the journal holds, unless that is known."""
        if self._stale:
            frames, salt = connection.log_frames().total, read_salt(self._log)
            self._file.write(self._note(connection, frames=frames, salt=salt))
            self._stale = False
            self._due_at = time.monotonic() + _EVERY_SECONDS

    def end(self, connection: SqliteConnection) -> None:
        """The file is about to be closed in order, which moves all of the log into it."""
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
