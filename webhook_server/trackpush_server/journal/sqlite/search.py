"""The search port on SQLite: runs `JournalReader` on a separate thread with its own connection."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from trackpush_server.journal.config_history import ConfigEntry
from trackpush_server.journal.inbox import InboxCount, InboxEntry, InboxPage, InboxQuery
from trackpush_server.journal.model import AuditRow, JournalUnavailableError
from trackpush_server.journal.rollups import TallyRow
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.search import PushDetail, PushPage, PushQuery, QueueCount, ShipmentQuery, Timeline
from trackpush_server.journal.sqlite.file_reader import JournalReader

_T = TypeVar("_T")


class SqliteSearch:
    """See `trackpush_server.journal.search.JournalSearch`."""

    def __init__(self, folder: Path, sealer: Sealer) -> None:
        self._folder = folder
        self._sealer = sealer
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trackpush-lookup")
        self._reader: JournalReader | None = None
        self._closed = False

    async def list_pushes(self, query: PushQuery) -> PushPage:
        return await self._read(lambda reader: reader.list_pushes(query))

    async def show(self, push_id: str) -> PushDetail | None:
        return await self._read(lambda reader: reader.show(push_id))

    async def timeline(self, query: ShipmentQuery) -> Timeline:
        return await self._read(lambda reader: reader.timeline(query))

    async def lane_heads(self, cursors: Sequence[str]) -> dict[str, str]:
        return await self._read(lambda reader: reader.lane_heads(cursors))

    async def counts(self) -> tuple[QueueCount, ...]:
        return await self._read(lambda reader: reader.counts())

    async def audits(self, *, before: int | None, limit: int) -> tuple[AuditRow, ...]:
        return await self._read(lambda reader: reader.audits(before=before, limit=limit))

    async def list_unrecognised(self, query: InboxQuery) -> InboxPage:
        return await self._read(lambda reader: reader.list_unrecognised(query))

    async def show_unrecognised(self, key: bytes) -> InboxEntry | None:
        return await self._read(lambda reader: reader.show_unrecognised(key))

    async def rollups(self, *, now: int) -> tuple[TallyRow, ...]:
        return await self._read(lambda reader: reader.rollups(now=now))

    async def config_history(self, *, before: int | None, limit: int) -> tuple[ConfigEntry, ...]:
        return await self._read(lambda reader: reader.config_history(before=before, limit=limit))

    async def count_unrecognised(self) -> tuple[InboxCount, ...]:
        return await self._read(lambda reader: reader.count_unrecognised())

    async def close(self) -> None:
        """Finish the running query, then end the thread."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(self._executor, self._drop)
            self._executor.shutdown(wait=False)

    async def _read(self, read: Callable[[JournalReader], _T]) -> _T:
        if self._closed:
            raise JournalUnavailableError("the journal is closed")
        return await asyncio.get_running_loop().run_in_executor(self._executor, self._run, read)

    def _run(self, read: Callable[[JournalReader], _T]) -> _T:
        try:
            if self._reader is None:
                self._reader = JournalReader(self._folder, sealer=self._sealer)
            return read(self._reader)
        except JournalUnavailableError:
            self._drop()  # the next query reopens the file, which may have been replaced
            raise

    def _drop(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
