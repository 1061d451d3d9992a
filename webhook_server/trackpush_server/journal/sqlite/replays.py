"""The replays of a journal file: ended pushes (`replay`) and updates without a push (`unpushed`)."""

from collections.abc import Sequence

from trackpush_server.journal.model import EndedPush, FoundUpdates, Selection, StoredUpdate, Unpushed
from trackpush_server.journal.sqlite import ended_pushes, unpushed
from trackpush_server.journal.sqlite.access import SqliteAccess


class SqliteReplays:
    """See `trackpush_server.journal.ports.ReplayStore`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def push_configs(self) -> tuple[str, ...]:
        """Every PushConfig that ever had a push."""
        return await self._access.read(ended_pushes.push_configs)

    async def ended(self, push_config: str, selection: Selection, *, after: int, limit: int) -> tuple[EndedPush, ...]:
        """The next ended pushes that match."""
        return await self._access.read(
            lambda connection: ended_pushes.ended(connection, push_config, selection, after, limit)
        )

    async def replay(self, push_config: str, update_ids: Sequence[int], *, now: int, replayed_before: int) -> int:
        """Make ended pushes pending again."""
        return await self._access.write(
            lambda connection: ended_pushes.replay(connection, push_config, update_ids, now, replayed_before)
        )

    async def find_unpushed(self, push_config: str, wanted: Unpushed, *, after: int, limit: int) -> FoundUpdates:
        """Look for updates without a push for this PushConfig."""
        return await self._access.read(lambda connection: unpushed.find(connection, push_config, wanted, after, limit))

    async def read_updates(self, update_ids: Sequence[int]) -> tuple[StoredUpdate, ...]:
        """Updates with their payloads."""
        sealer = self._access.sealer
        return await self._access.read(lambda connection: unpushed.read(connection, sealer, update_ids))

    async def add_pushes(self, push_config: str, update_ids: Sequence[int], *, now: int) -> int:
        """Add pending pushes to stored updates."""
        return await self._access.write(lambda connection: unpushed.add(connection, push_config, update_ids, now))
