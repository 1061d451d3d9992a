"""A file beside the journal with the length of its WAL. It detects a removed or truncated WAL at the next start.

SQLite accepts a missing or truncated WAL without an error: updates that were answered with 200 are lost, and the file
looks intact. So the server writes the WAL's number of frames and the highest id to a note, several times a second and
when it is idle. The noted data was on disk before, so a note never claims too much. It can be some tenths of a second
old; after a power failure it can be older, because the note itself is not synced.
"""

import contextlib
import os
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

_SIZE: Final = 256
_MODE: Final = 0o600
_HEADER: Final = 32
"""Bytes of the WAL's header. Source: SQLite, "WAL-mode File Format", 2.1."""
_SALT: Final = slice(16, 24)

Salt = tuple[int, int]
"""Identifies one generation of the WAL: SQLite changes the salt whenever the WAL restarts."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """The journal's content at some time. After a clean shutdown there is no WAL, so ``salt`` is None."""

    last_id: int
    """The highest id of a stored update."""
    frames: int = 0
    salt: Salt | None = None
    given: int = 0
    """The highest id ever assigned; higher than ``last_id`` after the restore of an older file."""


class LogFound(NamedTuple):
    """The journal's content when it is opened."""

    last_id: int
    frames: int
    """Valid frames of the WAL."""
    salt: Salt | None
    """None if there is no WAL."""


def what_is_missing(note: Note | None, found: LogFound) -> str | None:
    """Compare the note with the opened journal; returns a message about lost data, or None. Pure.

    If another program opened the file while no server ran, it may have copied the WAL into the file and removed it.
    Then all updates are in the file, and nothing is missing.
    """
    if note is None:
        return None
    if note.salt is not None and found.salt == note.salt:
        return _cut(note, found) if found.frames < note.frames else None
    if found.last_id >= note.last_id:
        return None
    if note.salt is None:
        return f"the file is an older one: {_ids(note, found)}"
    return f"its log is {'missing' if found.salt is None else 'another one'}: {_ids(note, found)}"


def _cut(note: Note, found: LogFound) -> str:
    frames = f"{note.frames} frames were written, {found.frames} are left"
    return f"its log was cut or overwritten: {frames}; {_ids(note, found)}"


def _ids(note: Note, found: LogFound) -> str:
    lost = note.last_id - found.last_id
    if lost <= 0:
        return "no update is missing, but results of pushes may be, which are then sent again"
    return (
        f"updates {found.last_id + 1} to {note.last_id} were answered with 200 and are gone;"
        " have the aggregators send them again (docs/disaster-recovery.md)"
    )


def read_salt(log: Path) -> Salt | None:
    """The salt of a WAL; None if it is missing or shorter than its header."""
    try:
        with log.open("rb") as file:
            header = file.read(_HEADER)
    except FileNotFoundError:
        return None
    if len(header) < _HEADER:
        return None
    salt = header[_SALT]
    return (int.from_bytes(salt[:4], "big"), int.from_bytes(salt[4:], "big"))


class NoteFile:
    """Reads and writes the file with the note."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def read(self) -> Note | None:
        """The last note; None if it is missing or unreadable."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Note)
        except (OSError, msgspec.MsgspecError):
            return None

    def write(self, note: Note) -> None:
        """Replace the note. Ignores errors: then only a later loss of the WAL may remain undetected."""
        with contextlib.suppress(OSError):
            if self._file is None:
                flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
                self._file = os.open(self._path, flags, _MODE)
            os.pwrite(self._file, msgspec.json.encode(note).ljust(_SIZE), 0)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
