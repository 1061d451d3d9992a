"""Replays in a database: of ended pushes, and of updates without a push (`unpushed`)."""

from collections.abc import Sequence

from trackpush_server.journal.model import EndedPush, FoundUpdates, PushState, Selection, StoredUpdate, Unpushed
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres import unpushed
from trackpush_server.journal.postgres.access import PostgresAccess

_SQL = load(f"{__package__}.sql", "replay")
_READING = load(f"{__package__}.sql", "reading")
_LAST = (1 << 63) - 1


class PostgresReplays:
    """See `trackpush_server.journal.ports.ReplayStore`."""

    def __init__(self, access: PostgresAccess) -> None:
        self._access = access

    async def push_configs(self) -> tuple[str, ...]:
        return tuple(row["name"] for row in await self._access.pool.fetch(_READING["push_configs"]))

    async def ended(self, push_config: str, selection: Selection, *, after: int, limit: int) -> tuple[EndedPush, ...]:
        pool = self._access.pool
        until = _LAST if selection.until is None else selection.until
        bounds = (after, selection.replayed_before, selection.since or 0, until)
        if selection.keys is not None:
            rows = await pool.fetch(_SQL["by_key"], push_config, list(selection.keys), *bounds)
        elif selection.awb is not None:
            rows = await pool.fetch(_SQL["by_awb"], push_config, selection.awb, *bounds)
        else:
            rows = []
            for state in selection.states:
                if state is not PushState.PENDING:
                    query = _SQL["delivered" if state is PushState.DELIVERED else "by_state"]
                    rows += await pool.fetch(query, push_config, int(state), *bounds, limit)
        found = (
            EndedPush(row["update_id"], PushState(row["state"]), row["received_at"], row["ended_at"], row["error"])
            for row in rows
        )
        wanted = sorted((row for row in found if row.state in selection.states), key=lambda row: row.update_id)
        return tuple(wanted[:limit])

    async def replay(self, push_config: str, update_ids: Sequence[int], *, now: int, replayed_before: int) -> int:
        await self._access.flush_for_write()
        values = (push_config, list(update_ids), now, replayed_before, self._access.replica)
        return await self._access.pool.write(_SQL["replay"], *values, news=True)

    async def find_unpushed(self, push_config: str, wanted: Unpushed, *, after: int, limit: int) -> FoundUpdates:
        return await unpushed.find(self._access.pool, push_config, wanted, after, limit)

    async def read_updates(self, update_ids: Sequence[int]) -> tuple[StoredUpdate, ...]:
        return await unpushed.read(self._access.pool, self._access.sealer, update_ids)

    async def add_pushes(self, push_config: str, update_ids: Sequence[int], *, now: int) -> int:
        await self._access.flush_for_write()
        return await unpushed.add(self._access.pool, push_config, update_ids, now, self._access.replica)
