"""`trackpush journal restore`: replaces a journal that no server uses by a backup."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from trackpush_server.journal.sqlite import schema
from trackpush_server.journal.sqlite.backup import BackupError, prove_sound
from trackpush_server.journal.sqlite.connection import SqliteConnection, SqliteError, open_copy, open_outside_reader
from trackpush_server.journal.sqlite.folder import (
    FILE_NAME,
    LOCK,
    NOTE,
    SCRATCH,
    UnusableFolderError,
    make_private,
    prepare,
    sync,
)
from trackpush_server.journal.sqlite.lock import FolderLock, JournalInUseError
from trackpush_server.journal.sqlite.note import Note, NoteFile

_CHUNK: Final = 1 << 20
_LAST_ID: Final = "SELECT coalesce(max(id), 0) FROM updates"


class Restored(NamedTuple):
    """Properties of the restored journal."""

    updates: int
    last_id: int
    """New updates get higher ids than this."""


def restore(folder: Path, source: BinaryIO, *, replace: bool, volume: bool, sha256: str | None) -> Restored:
    """Restore a backup. An existing journal is replaced only after the backup was received and checked.

    Args:
        folder: the journal's folder; created if it is missing.
        source: the backup.
        replace: allow replacing an existing journal.
        volume: see `folder.check`.
        sha256: expected SHA-256, which `back_up_to_file` or `back_up_to_stream` returned; None if unknown.

    Raises:
        BackupError: nothing was changed; the message says why and what to do.
    """
    try:
        prepare(folder, volume=volume)
        lock = FolderLock(folder / LOCK)
        lock.acquire()
    except (JournalInUseError, UnusableFolderError) as error:
        raise BackupError(f"{folder}: {error}") from None
    except OSError as error:
        raise BackupError(f"{folder} can't be written: {error.strerror or error}") from None
    try:
        return _restore(folder, source, replace=replace, sha256=sha256)
    except OSError as error:
        raise BackupError(f"{folder}: the backup can't be written: {error.strerror or error}") from None
    finally:
        (folder / SCRATCH).unlink(missing_ok=True)
        lock.release()


def _restore(folder: Path, source: BinaryIO, *, replace: bool, sha256: str | None) -> Restored:
    journal, scratch = folder / FILE_NAME, folder / SCRATCH
    if journal.exists() and not replace:
        raise BackupError(
            f"{folder} holds a journal; give --replace to put the backup in its place, what it holds is then gone"
        )
    digest = _receive(source, scratch)
    if sha256 is not None and digest != sha256.lower():
        raise BackupError(f"the backup has the SHA-256 {digest}, not {sha256}: it was changed or cut off")
    updates = prove_sound(scratch, indexes=True)
    _prove_readable(scratch)
    last_id = max(_noted(folder), _last_id(journal, open_outside_reader), _last_id(scratch, open_copy))
    for suffix in ("-wal", "-shm"):  # SQLite would apply the old file's WAL to the new file
        journal.with_name(f"{FILE_NAME}{suffix}").unlink(missing_ok=True)
    sync(folder)
    scratch.rename(journal)
    sync(folder)
    note = NoteFile(folder / NOTE)
    note.write(Note(last_id=last_id, given=last_id))
    note.close()
    return Restored(updates, last_id)


def _receive(source: BinaryIO, scratch: Path) -> str:
    scratch.unlink(missing_ok=True)
    make_private(scratch)
    with scratch.open("wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)
        file.flush()
        os.fsync(file.fileno())
    with scratch.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _prove_readable(file: Path) -> None:
    """Check that this version supports the backup's schema."""
    with contextlib.closing(open_copy(file)) as connection:
        version, newest = int(connection.execute("PRAGMA user_version").fetchone()[0]), max(schema.changes())
    if version > newest:
        raise BackupError(
            f"the backup's schema is version {version}, this Trackpush knows {newest}: restore it with the version that"
            " wrote it or a later one"
        )


def _noted(folder: Path) -> int:
    note = NoteFile(folder / NOTE).read()
    return 0 if note is None else max(note.last_id, note.given)


def _last_id(file: Path, reader: Callable[[Path], SqliteConnection]) -> int:
    """The highest id in a journal; 0 if it is missing or damaged, since a restore often replaces a damaged one."""
    with contextlib.suppress(SqliteError, OSError):
        if file.exists():
            with contextlib.closing(reader(file)) as connection:
                return int(connection.execute(_LAST_ID).fetchone()[0])
    return 0
