"""A VFS for SQLite that records every write and sync on a `Disk`, and passes all of them on to the real files."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw

from power.disk import Disk

NAME = "power"
_DIRECTORY_IS_SYNCED = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL
"""SQLite syncs the folder with the first sync of these files, because they may be new."""


class _RecordedFile(apsw.VFSFile):
    def __init__(self, disk: Disk, name: Any, flags: list[int]) -> None:
        super().__init__("unix", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk = disk
        self._file = disk.file(Path(path).name) if path else None
        self._syncs_names = bool(flags[0] & _DIRECTORY_IS_SYNCED)

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        if self._file is not None:
            self._disk.write(self._file, offset, bytes(data))

    def xTruncate(self, size: int) -> None:
        super().xTruncate(size)
        if self._file is not None:
            self._disk.truncate(self._file, size)

    def xSync(self, _flags: int) -> None:
        if self._file is not None:
            self._disk.sync(self._file)
            if self._syncs_names:
                self._syncs_names = False
                self._disk.sync_names()


class _RecordedFiles(apsw.VFS):
    def __init__(self, disk: Disk) -> None:
        super().__init__(NAME, "unix")
        self._disk = disk

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _RecordedFile(self._disk, name, flags)

    def xDelete(self, name: str, sync_folder: bool) -> None:  # noqa: FBT001  SQLite's own signature
        super().xDelete(name, sync_folder)
        self._disk.remove(Path(name).name)
        if sync_folder:
            self._disk.sync_names()


@contextlib.contextmanager
def recorded_on(disk: Disk) -> Iterator[None]:
    """Every file that SQLite opens in this block is recorded."""
    files = _RecordedFiles(disk)
    apsw.set_default_vfs(NAME)
    try:
        yield
    finally:
        apsw.set_default_vfs("unix")
        files.unregister()
