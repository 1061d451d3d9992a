"""A VFS for SQLite of which one call fails."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Final

import apsw

NAME: Final = "faulty"
FAULTS: Final = {
    "read": apsw.SQLITE_IOERR_READ,
    "write": apsw.SQLITE_IOERR_WRITE,
    "half a write": apsw.SQLITE_IOERR_WRITE,
    "full": apsw.SQLITE_FULL,
    "sync": apsw.SQLITE_IOERR_FSYNC,
    "truncate": apsw.SQLITE_IOERR_TRUNCATE,
    "open": apsw.SQLITE_CANTOPEN,
    "size": apsw.SQLITE_IOERR_FSTAT,
}
"""What fails, and how SQLite's own VFS reports it."""


class Fault:
    """The n-th call of one sort fails, counted from 1. Thread-safe."""

    def __init__(self, sort: str, number: int) -> None:
        self._sort = sort
        self._left = number
        self._lock = threading.Lock()

    @property
    def has_happened(self) -> bool:
        return self._left <= 0

    def reach(self, *sorts: str) -> str | None:
        """Call at the beginning of a call of one of these sorts; returns the sort if this call must fail."""
        if self._sort not in sorts:
            return None
        with self._lock:
            self._left -= 1
            return self._sort if self._left == 0 else None


def _error(sort: str) -> Exception:
    return apsw.exception_for(FAULTS[sort])


class _FaultyFile(apsw.VFSFile):
    def __init__(self, fault: Fault, name: Any, flags: list[int]) -> None:
        if sort := fault.reach("open"):
            raise _error(sort)
        super().__init__("unix", name, flags)
        self._fault = fault

    def xRead(self, amount: int, offset: int) -> bytes:
        if sort := self._fault.reach("read"):
            raise _error(sort)
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        if sort := self._fault.reach("write", "half a write", "full"):
            if sort == "half a write":
                super().xWrite(bytes(data)[: len(data) // 2], offset)
            raise _error(sort)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        if sort := self._fault.reach("sync"):
            raise _error(sort)
        super().xSync(flags)

    def xTruncate(self, size: int) -> None:
        if sort := self._fault.reach("truncate"):
            raise _error(sort)
        super().xTruncate(size)

    def xFileSize(self) -> int:
        if sort := self._fault.reach("size"):
            raise _error(sort)
        return super().xFileSize()


class _FaultyFiles(apsw.VFS):
    def __init__(self, fault: Fault) -> None:
        super().__init__(NAME, "unix")
        self._fault = fault

    def xOpen(self, name: Any, flags: list[int]) -> apsw.VFSFile:
        return _FaultyFile(self._fault, name, flags)


@contextlib.contextmanager
def failing(fault: Fault) -> Iterator[None]:
    """The fault happens to a file that SQLite opens in this block."""
    files = _FaultyFiles(fault)
    apsw.set_default_vfs(NAME)
    try:
        yield
    finally:
        apsw.set_default_vfs("unix")
        files.unregister()
