"""Zeroes what SQLite leaves behind in the unused middle of its pages.

`secure_delete` zeroes what is deleted, but not the stale copies that stay when a page is split or merged and its cells
move: they lie between the list of cell pointers and the first cell, where SQLite never looks again. Only VACUUM
would remove them, which stops the journal for minutes and needs the file's size once more.

Source: SQLite, "Database File Format", 1.3 (file header), 1.6 (B-tree pages). The page is otherwise left as it is, so
a crash in the middle harms nothing. Must run while the log is empty and no connection that writes is open: a page in
such a connection's cache would bring its old middle back.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from trackpush_runtime.backoff import RetryDelays
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.sqlite.access import SqliteAccess

STEP_BYTES: Final = 32 * 1024 * 1024
"""In one step: commits wait meanwhile."""
_RETRY_DELAYS: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between tries to empty the log, which long reads hold back."""

_PAGE_SIZE_AT: Final = 16
_FILE_HEADER: Final = 100
_TREE_PAGES: Final = {2: 12, 5: 12, 10: 8, 13: 8}
"""First byte of a B-tree page → size of its header. Other pages begin with a page number, never as large as this."""
_MOST_PAGES: Final = 2 << 24
_WHOLE: Final = 65536


class FileScrubber:
    """Zeroes the whole file in steps between commits."""

    def __init__(self, access: SqliteAccess, path: Path) -> None:
        self._access = access
        self._scrubber = Scrubber(path)

    async def scrub(self) -> None:
        """Zero what deleting and replacing left behind."""
        page = await self._step(0)
        while page:
            page = await self._step(page)

    def close(self) -> None:
        """After all connections of the process."""
        self._scrubber.close()

    async def _step(self, page: int) -> int:
        """One step; readers may hold the log for a while."""
        backoff = RetryDelays(*_RETRY_DELAYS)
        while True:
            try:
                return await self._access.between_commits(lambda: self._scrubber.step(page))
            except JournalUnavailableError:
                if self._access.queue.closed or backoff.is_exhausted:
                    raise
                await asyncio.sleep(backoff.fail())


class Scrubber:
    """The file, kept open: closing it would give away the locks that SQLite holds on it in this process (fcntl)."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def step(self, first: int) -> int:
        """Zero the middles of the next pages; returns the page to continue with (from 0), 0 after the last.

        Raises:
            OSError: the disk.
        """
        file = self._open()
        size = int.from_bytes(os.pread(file, 2, _PAGE_SIZE_AT), "big")
        size = _WHOLE if size == 1 else size
        pages = os.fstat(file).st_size // size
        if pages >= _MOST_PAGES:
            raise OSError(f"{self._path}: {pages} pages are too many to tell them apart; use VACUUM")
        count = min(STEP_BYTES // size, pages - first)
        data = os.pread(file, count * size, first * size)
        changed = False
        for number in range(len(data) // size):
            start = number * size
            begin, end = _middle(data, start, at=_FILE_HEADER if first + number == 0 else 0)
            if end > begin and data.count(0, start + begin, start + end) < end - begin:
                os.pwrite(file, bytes(end - begin), first * size + start + begin)
                changed = True
        if changed:
            os.fsync(file)
        return first + count if first + count < pages else 0

    def close(self) -> None:
        """After all connections of the process."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        if self._file is None or not os.path.samestat(os.fstat(self._file), self._path.stat()):
            self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        return self._file


def _middle(data: bytes, start: int, *, at: int) -> tuple[int, int]:
    """Where the unused middle of the page begins and ends, counted from the page's start; (0, 0) when it has none."""
    head = start + at
    header = _TREE_PAGES.get(data[head])
    if header is None:
        return 0, 0
    cells = int.from_bytes(data[head + 3 : head + 5], "big")
    content = int.from_bytes(data[head + 5 : head + 7], "big") or _WHOLE
    return at + header + 2 * cells, content
