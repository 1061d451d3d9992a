"""Reads for the dispatcher: pages of pending pushes, payloads, counts."""

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

from trackpush_api.routing import namespace_of
from trackpush_server.journal.model import (
    Ended,
    Erasure,
    JournalUnavailableError,
    Page,
    PendingConfigs,
    PendingCount,
    PushState,
    Selection,
    StoredPush,
    Wanted,
)
from trackpush_server.journal.postgres.history import History
from trackpush_server.journal.postgres.pool import Pool
from trackpush_server.journal.queries import load
from trackpush_server.journal.sealing import Sealer

_SQL = load(f"{__package__}.sql", "reading")
_REPLAY = load(f"{__package__}.sql", "replay")
_LAST = (1 << 63) - 1
_update_id = attrgetter("update_id")


class OtherHistoryError(JournalUnavailableError):
    """The database isn't the one that the writer knows, or no longer."""


async def pending(
    pool: Pool, history: History, sealer: Sealer, wanted: Sequence[Wanted], uids: Mapping[str, str]
) -> tuple[Page, ...]:
    """See `Journal.pending`.

    ``uids``: by which namespace objects this server knows its clients. What belongs to another one is not found.
    """
    columns = (
        [request.push_config for request in wanted],
        [request.after for request in wanted],
        [request.limit for request in wanted],
        [uids.get(namespace_of(request.push_config)) for request in wanted],
    )
    found: list[list[StoredPush]] = [[] for _ in wanted]
    rows = await pool.fetch(_SQL["pending"], *columns)
    _check(history, rows)
    for row in rows:
        if row["update_id"] is not None:
            place = row["place"] - 1
            found[place].append(_stored(sealer, wanted[place].push_config, row))
    return tuple(Page(tuple(sorted(pushes, key=_update_id)), rows[0]["last_id"]) for pushes in found)


async def fetch(
    pool: Pool, history: History, sealer: Sealer, push_config: str, update_ids: Sequence[int], *, uid: str | None
) -> dict[int, StoredPush]:
    """See `Journal.fetch`; ``uid`` as in `pending`."""
    rows = await pool.fetch(_SQL["fetch"], push_config, list(update_ids), uid)
    _check(history, rows)
    return {row["update_id"]: _stored(sealer, push_config, row) for row in rows}


async def pending_configs(pool: Pool, history: History) -> PendingConfigs:
    """See `Journal.pending_configs`."""
    rows = await pool.fetch(_SQL["pending_configs"])
    _check(history, rows)
    row = rows[0]
    return PendingConfigs(frozenset(row["names"]), row["last_id"])


async def pending_counts(pool: Pool) -> tuple[PendingCount, ...]:
    """See `Journal.pending_counts`."""
    rows = await pool.fetch(_SQL["pending_counts"])
    return tuple(PendingCount(row["name"], row["count"], row["received_at"]) for row in rows)


async def push_configs(pool: Pool) -> tuple[str, ...]:
    """See `Journal.push_configs`."""
    return tuple(row["name"] for row in await pool.fetch(_SQL["push_configs"]))


async def erasures(pool: Pool, limit: int) -> tuple[Erasure, ...]:
    """See `Journal.erasures`."""
    return tuple(Erasure(**row) for row in await pool.fetch(_SQL["erasures"], limit))


async def size_bytes(pool: Pool) -> int:
    """What all of it takes."""
    return int((await pool.fetch(_SQL["size"]))[0]["size"])


async def ended(pool: Pool, push_config: str, selection: Selection, after: int, limit: int) -> tuple[Ended, ...]:
    """See `Journal.ended`."""
    until = _LAST if selection.until is None else selection.until
    bounds = (after, selection.replayed_before, selection.since or 0, until)
    if selection.keys is not None:
        rows = await pool.fetch(_REPLAY["by_key"], push_config, list(selection.keys), *bounds)
    elif selection.awb is not None:
        rows = await pool.fetch(_REPLAY["by_awb"], push_config, selection.awb, *bounds)
    else:
        rows = []
        for state in selection.states:
            if state is not PushState.PENDING:
                query = _REPLAY["delivered" if state is PushState.DELIVERED else "by_state"]
                rows += await pool.fetch(query, push_config, int(state), *bounds, limit)
    found = (Ended(row["update_id"], PushState(row["state"]), row["received_at"]) for row in rows)
    wanted = sorted((row for row in found if row.state in selection.states), key=lambda row: row.update_id)
    return tuple(wanted[:limit])


def _check(history: History, rows: Sequence[Any]) -> None:
    """Refuse what was read from another history of the database than the writer knows: ids may mean other updates."""
    if rows and not history.knows(rows[0]["history"], rows[0]["last_id"]):
        raise OtherHistoryError("the database was restarted or replaced; what it holds is compared first")


def _stored(sealer: Sealer, push_config: str, row: Any) -> StoredPush:
    payload = sealer.payload(key=row["key"], notification=row["notification"], body=row["body"])
    return StoredPush(
        update_id=row["update_id"],
        push_config=push_config,
        key=row["key"],
        account=row["account"],
        shipment=row["shipment"],
        received_at=row["received_at"],
        late=row["late"],
        tries=row["tries"],
        rejections=row["rejections"],
        due_at=row["due_at"],
        notification=payload.notification,
        body=payload.body,
        replays=row["replays"],
        replayed_at=row["replayed_at"],
        tries_before=row["tries_before"],
        trace=row["trace"],
        unreadable=payload.unreadable,
    )
