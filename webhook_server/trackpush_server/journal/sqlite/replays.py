"""Replays in a journal file: of ended pushes (`ended_pushes`), and of updates without a push (`unpushed`)."""

from collections.abc import Sequence

from trackpush_server.journal.model import EndedPush, FoundUpdates, Selection, StoredUpdate, Unpushed
from trackpush_server.journal.sqlite import ended_pushes, unpushed
from trackpush_server.journal.sqlite.access import SqliteAccess


class SqliteReplays:
    """See `trackpush_server.journal.ports.ReplayStore`."""

    def __init__(self, access: SqliteAccess) -> None:
        self._access = access

    async def push_configs(self) -> tuple[str, ...]:
        return await self._access.read(ended_pushes.push_configs)

    async def ended(self, push_config: str, selection: Selection, *, after: int, limit: int) -> tuple[EndedPush, ...]:
        return await self._access.read(
            lambda connection: ended_pushes.ended(connection, push_config, selection, after, limit)
        )

    async def replay(self, push_config: str, update_ids: Sequence[int], *, now: int, replayed_before: int) -> int:
        return await self._access.write(
            lambda connection: ended_pushes.replay(connection, push_config, update_ids, now, replayed_before)
        )

    async def find_unpushed(self, push_config: str, wanted: Unpushed, *, after: int, limit: int) -> FoundUpdates:
        return await self._access.read(lambda connection: unpushed.find(connection, push_config, wanted, after, limit))

    async def read_updates(self, update_ids: Sequence[int]) -> tuple[StoredUpdate, ...]:
        sealer = self._access.sealer
        return await self._access.read(lambda connection: unpushed.read(connection, sealer, update_ids))

    async def add_pushes(self, push_config: str, update_ids: Sequence[int], *, now: int) -> int:
        return await self._access.write(lambda connection: unpushed.add(connection, push_config, update_ids, now))
