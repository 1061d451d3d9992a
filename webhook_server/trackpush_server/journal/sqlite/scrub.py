"""Overwrites deleted data in the unused space of SQLite's pages with zeros.

`secure_delete` zeroes deleted cells, but not the copies that remain when a page is split or merged and its cells move.
These copies are in the unallocated space between the cell pointers and the first cell, which SQLite does not read.
Otherwise only VACUUM removes them, but it blocks the journal for minutes and needs free space of the file's size.

Source: SQLite, "Database File Format", 1.3 (file header), 1.6 (B-tree pages). Nothing else in a page changes, so a
crash during the scrub is harmless. It must run while the WAL is empty and no writing connection is open: such a
connection could write a cached page with the old data again.
"""

import asyncio
import os
from pathlib import Path
from typing import Final

from trackpush_runtime.backoff import RetryDelays
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.sqlite.access import SqliteAccess

STEP_BYTES: Final = 32 * 1024 * 1024
"""Bytes per step; commits wait during a step."""
_RETRY_DELAYS: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds between attempts to empty the WAL, which long reads prevent."""

_PAGE_SIZE_AT: Final = 16
_FILE_HEADER: Final = 100
_TREE_PAGES: Final = {2: 12, 5: 12, 10: 8, 13: 8}
"""Size of the page header by the first byte of a B-tree page. Other pages start with a page number of four bytes, whose
first byte is less than 2 as long as the file has fewer than `_MOST_PAGES` pages."""
_MOST_PAGES: Final = 2 << 24
_WHOLE: Final = 65536


class FileScrubber:
    """Scrubs the whole file in steps between commits."""

    def __init__(self, access: SqliteAccess, path: Path) -> None:
        self._access = access
        self._scrubber = Scrubber(path)

    async def scrub(self) -> None:
        """Zero the unused space of all pages."""
        page = await self._step(0)
        while page:
            page = await self._step(page)

    def close(self) -> None:
        """Close the file. Call it after all SQLite connections of the process are closed."""
        self._scrubber.close()

    async def _step(self, page: int) -> int:
        """Run one step; retries while readers use the WAL."""
        backoff = RetryDelays(*_RETRY_DELAYS)
        while True:
            try:
                return await self._access.between_commits(lambda: self._scrubber.step(page))
            except JournalUnavailableError:
                if self._access.queue.closed or backoff.is_exhausted:
                    raise
                await asyncio.sleep(backoff.fail())


class Scrubber:
    """Scrubs the file through its own descriptor.

    The descriptor stays open: closing it would release SQLite's fcntl locks on the file in this process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def step(self, first: int) -> int:
        """Scrub the next pages from page ``first`` (counted from 0); returns the next page, 0 after the last.

        Raises:
            OSError: the file can't be read or written, or has too many pages.
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
        """Close the file. Call it after all SQLite connections of the process are closed."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _open(self) -> int:
        if self._file is None or not os.path.samestat(os.fstat(self._file), self._path.stat()):
            self._file = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        return self._file


def _middle(data: bytes, start: int, *, at: int) -> tuple[int, int]:
    """Start and end of the unused space, relative to the page's start; (0, 0) if the page is not a B-tree page."""
    head = start + at
    header = _TREE_PAGES.get(data[head])
    if header is None:
        return 0, 0
    cells = int.from_bytes(data[head + 3 : head + 5], "big")
    content = int.from_bytes(data[head + 5 : head + 7], "big") or _WHOLE
    return at + header + 2 * cells, content
