"""What an adapter's store has to do for a journal to be moved out of it, or into it."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from trackpush_server.journal.copying.records import Existing, JournalPlace, UnscopedRecords, UpdateRecord


class Chunk(msgspec.Struct, frozen=True):
    """Some updates in the order received, and the id of the last one in that store."""

    records: tuple[UpdateRecord, ...]
    last_id: int


class StoreReader(Protocol):
    """Reads a store that nobody writes to."""

    async def count(self) -> int:
        """How many updates there are."""
        ...

    async def position(self, key: bytes) -> int | None:
        """The id of the update with this key."""
        ...

    async def part(self, after: int, limit: int) -> Chunk:
        """The next updates with id > ``after``; none are the end."""
        ...

    async def rest(self) -> UnscopedRecords:
        """What belongs to no update."""
        ...


class CopySource(Protocol):
    """A store that is moved away."""

    @property
    def id(self) -> str:
        """Of its journal, once open."""
        ...

    @property
    def moved_to(self) -> JournalPlace | None:
        """Where its journal was moved to before, once open; None: it is in use. The id may be empty: not known."""
        ...

    async def open(self) -> StoreReader:
        """Stop everything that writes to it until `close`, and read.

        Raises:
            TransferError: it can't be read, or a server uses it.
        """
        ...

    async def retire(self, to: JournalPlace) -> None:
        """No server may use it from now on; what was stored until now has been read. It can still be opened here."""
        ...

    async def close(self) -> None:
        """Let go of it; unless it was retired, it is as it was."""
        ...


class CopyTarget(Protocol):
    """A store that is filled. No server may use it between `begin` and `release`."""

    async def open(self) -> Existing | None:
        """Find out which journal it holds, if any, and change nothing.

        Raises:
            TransferError: it can't be read, or another copy uses it.
        """
        ...

    async def begin(self, source: str) -> StoreReader:
        """Create a journal for the content of ``source``, or continue it; reads what was written so far.

        Raises:
            TransferError: it can't be written, holds something else, or a server uses it.
        """
        ...

    async def place(self) -> JournalPlace:
        """Its journal, once begun."""
        ...

    async def last_key(self) -> bytes | None:
        """The key of the last update written."""
        ...

    async def write(self, records: Sequence[UpdateRecord]) -> None:
        """Add updates, all or none, on disk when it returns."""
        ...

    async def finish(self, rest: UnscopedRecords) -> None:
        """Write (again) what belongs to no update, and what the adapter derives from all."""
        ...

    def storable(self, record: UpdateRecord) -> UpdateRecord:
        """The record as this store can hold it."""
        ...

    async def release(self) -> None:
        """Servers may use it."""
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...
