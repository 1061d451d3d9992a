"""`trackpush journal backup`: a consistent copy of a journal that a server is writing to.

``VACUUM INTO`` makes the copy. It reads one snapshot; SQLite's backup API would start over whenever another process
changes the file. The copy is checked before it is delivered. For a stream, the copy is a file in the journal's folder
that is unlinked before the first byte is sent.
"""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from trackpush_server.journal.sqlite.connection import (
    SqliteConnection,
    SqliteError,
    open_copy,
    open_outside_reader,
)
from trackpush_server.journal.sqlite.explain import explain_read
from trackpush_server.journal.sqlite.folder import FILE_NAME, SCRATCH, make_private, sync
from trackpush_server.journal.sqlite.lock import FolderLock, JournalInUseError

_CHUNK: Final = 1 << 20
_LOCK: Final = "journal.backup.lock"
_BY_DUMP: Final = "With storage.postgres the journal is in the database: use pg_dump (docs/backup.md)"


class BackupError(Exception):
    """No backup was made; the message says why and what to do."""


class BackedUp(NamedTuple):
    """Properties of a backup."""

    updates: int
    size: int
    """In bytes."""
    sha256: str


def back_up_to_file(folder: Path, target: Path) -> BackedUp:
    """Make a backup in a new file, synced to disk.

    Raises:
        BackupError: no backup was made; partial files are removed.
    """
    if target.exists():
        raise BackupError(f"{target} exists; name a new file, or remove it")
    part = target.with_name(f"{target.name}.part")
    try:
        _copy(folder, part)
        done = _described(part)
        sync(part)
        part.rename(target)
        sync(target.parent)
    except OSError as error:
        raise BackupError(f"{target} can't be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)
    return done


def back_up_to_stream(folder: Path, out: BinaryIO) -> BackedUp:
    """Write a backup to a stream. It leaves no file in the folder, even if the process is killed while it sends.

    Raises:
        BackupError: no complete backup was sent.
    """
    with _alone(folder):
        scratch = folder / SCRATCH
        try:
            _copy(folder, scratch)
            done = _described(scratch)
            file = scratch.open("rb")
        finally:
            scratch.unlink(missing_ok=True)
        with file:
            try:
                shutil.copyfileobj(file, out, _CHUNK)
                out.flush()
            except OSError as error:
                raise BackupError(f"the backup was cut off: {error.strerror or error}; make another one") from None
    return done


def count_updates(connection: SqliteConnection) -> int:
    """The number of updates in a journal."""
    return int(connection.execute("SELECT count(*) FROM updates").fetchone()[0])


def _copy(folder: Path, target: Path) -> None:
    journal = folder / FILE_NAME
    if not journal.is_file():
        raise BackupError(f"{folder} holds no {FILE_NAME}; name the folder that --data of the server names. {_BY_DUMP}")
    _prove_room(journal, target)
    target.unlink(missing_ok=True)
    try:
        make_private(target)
    except OSError as error:
        raise BackupError(f"{target} can't be written: {error.strerror or error}") from None
    try:
        with contextlib.closing(open_outside_reader(journal)) as connection:
            connection.execute("PRAGMA query_only = OFF")  # VACUUM INTO writes to the other file only
            connection.execute("VACUUM INTO ?", (str(target),))
    except SqliteError as error:
        raise BackupError(explain_read(journal, error)) from None


def prove_sound(file: Path, *, indexes: bool = False) -> int:
    """Check that a file is a complete journal; with ``indexes``, also that its indexes match its tables.

    Returns:
        The number of its updates.

    Raises:
        BackupError: the file is incomplete or damaged.
    """
    try:
        with contextlib.closing(open_copy(file)) as copy:
            pages = int(copy.execute("PRAGMA page_count").fetchone()[0])
            size, expected = file.stat().st_size, pages * copy.page_bytes
            if size != expected:
                raise BackupError(f"the backup has {size} bytes, not {expected}: it was cut off; make another one")
            found = copy.execute(f"PRAGMA {'integrity_check' if indexes else 'quick_check'}(1)").fetchone()[0]
            if found != "ok":
                raise BackupError(f"the backup is damaged ({found}); use another one")
            return count_updates(copy)
    except SqliteError as error:
        raise BackupError(f"this is not a whole backup of a journal ({error}); use another one") from None


def _prove_room(journal: Path, target: Path) -> None:
    needed = sum(file.stat().st_size for file in (journal, journal.with_name(f"{FILE_NAME}-wal")) if file.exists())
    try:
        free = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise BackupError(f"{target.parent} can't be read: {error.strerror or error}") from None
    if free < needed:
        raise BackupError(
            f"{target.parent} has {free >> 20} MiB free, and the copy may need {needed >> 20} MiB; grow the volume, or"
            " take a snapshot of it"
        )


def _described(file: Path) -> BackedUp:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return BackedUp(prove_sound(file), file.stat().st_size, digest)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Exclude other backups: all use the same scratch file."""
    lock = FolderLock(folder / _LOCK)
    try:
        lock.acquire_file()
    except JournalInUseError:
        raise BackupError("another backup of this journal is under way; wait until it has ended") from None
    except OSError as error:
        raise BackupError(f"{folder} can't be written: {error.strerror or error}") from None
    try:
        yield
    finally:
        (folder / _LOCK).unlink(missing_ok=True)
        lock.release()
