"""The ports of `trackpush journal copy`: an adapter implements the source and the target."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from trackpush_server.journal.copying.records import Existing, JournalPlace, UnscopedRecords, UpdateRecord


class Chunk(msgspec.Struct, frozen=True):
    """Consecutive updates in the order received, and the id of the last one in the store that was read."""

    records: tuple[UpdateRecord, ...]
    last_id: int


class StoreReader(Protocol):
    """Reads a store that nobody writes to."""

    async def count(self) -> int:
        """Number of updates."""
        ...

    async def position(self, key: bytes) -> int | None:
        """The id of the update with this key, or None."""
        ...

    async def part(self, after: int, limit: int) -> Chunk:
        """The next updates with id > ``after``; an empty chunk is the end."""
        ...

    async def rest(self) -> UnscopedRecords:
        """All records that do not belong to an update."""
        ...


class CopySource(Protocol):
    """The store that a journal is moved from."""

    @property
    def id(self) -> str:
        """The journal's id; valid after `open`."""
        ...

    @property
    def moved_to(self) -> JournalPlace | None:
        """Where an earlier run moved the journal, possibly without an id; None if it was not moved. Set by `open`."""
        ...

    async def open(self) -> StoreReader:
        """Block all writers until `close`, and return a reader.

        Raises:
            TransferError: the store can't be read, or a server uses it.
        """
        ...

    async def retire(self, to: JournalPlace) -> None:
        """Make the store unusable for servers. Call it after everything was read. A copy can still open it."""
        ...

    async def close(self) -> None:
        """Unlock and close the store. Unless `retire` was called, it is unchanged."""
        ...


class CopyTarget(Protocol):
    """The store that a journal is moved to. No server can use it between `begin` and `release`."""

    async def open(self) -> Existing | None:
        """Read which journal the store holds, if any; changes nothing.

        Raises:
            TransferError: the store can't be read, or another copy uses it.
        """
        ...

    async def begin(self, source: str) -> StoreReader:
        """Create a copy of the journal with id ``source``, or continue one; returns a reader of the copy.

        Raises:
            TransferError: the store can't be written, holds another journal, or a server uses it.
        """
        ...

    async def place(self) -> JournalPlace:
        """The copy; valid after `begin`."""
        ...

    async def last_key(self) -> bytes | None:
        """The key of the last update written; None if there are none."""
        ...

    async def write(self, records: Sequence[UpdateRecord]) -> None:
        """Add all updates or none; they are on disk when it returns."""
        ...

    async def finish(self, rest: UnscopedRecords) -> None:
        """Replace the records that do not belong to an update, and build the adapter's derived data (indexes)."""
        ...

    def storable(self, record: UpdateRecord) -> UpdateRecord:
        """The record as this store will return it, for the comparison."""
        ...

    async def release(self) -> None:
        """Allow servers to use the store."""
        ...

    async def close(self) -> None:
        """Unlock and close the store."""
        ...
