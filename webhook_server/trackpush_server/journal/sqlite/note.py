"""A note beside the journal of what its log held, so that a log that was removed or cut is noticed at the next start.

SQLite takes a missing or shortened log for one that ended there: updates that were answered with 200 are gone, and the
file is intact. So the server notes, some times a second and whenever it has nothing to do, how many frames the log has
and the highest id. What is noted was on disk before, so a note never claims too much. It may be some tenths of a second
old, and older after a power cut, since the note itself is not synced.
"""

import contextlib
import os
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

_SIZE: Final = 256
_MODE: Final = 0o600
_HEADER: Final = 32
"""Bytes of the log's header. Source: SQLite, "WAL-mode File Format", 2.1."""
_SALT: Final = slice(16, 24)

Salt = tuple[int, int]
"""Tells one run of the log from the next: SQLite changes it each time the log starts over."""


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal held. After a clean end there is no log, so its salt is None."""

    last_id: int
    """The highest id of an update that was stored."""
    frames: int = 0
    salt: Salt | None = None
    given: int = 0
    """The highest id that was ever given; higher than `last_id` after an older file was restored."""


class LogFound(NamedTuple):
    """What is there when the journal is opened."""

    last_id: int
    frames: int
    """Valid frames of the log."""
    salt: Salt | None
    """None if there is no log."""


def what_is_missing(note: Note | None, found: LogFound) -> str | None:
    """What the log lacks of what was noted, or None. Pure.

    A program that opened the file while no server ran may have copied the log into the file and removed it. Then all
    updates are there, and nothing is missing.
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
    """The salt of a log; None if there is no log, or not even its header."""
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
    """The file with the note."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def read(self) -> Note | None:
        """The last note; None if there is none that can be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Note)
        except (OSError, msgspec.MsgspecError):
            return None

    def write(self, note: Note) -> None:
        """Replace the note. A failure only means that a log that is lost later may go unnoticed."""
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
