"""The API's answers about pushes, each with why it waits or ended: the journal's rows and the live facts meet here."""

from collections.abc import Iterable, Mapping

from trackpush_server.admin import masking
from trackpush_server.admin.api import shapes
from trackpush_server.admin.desk import AdminServices
from trackpush_server.journal.model import PushState
from trackpush_server.journal.search import MOST_ROWS, PushDetail, PushPage, PushRow, Timeline, parse_cursor
from trackpush_server.pusher.live import LivePush
from trackpush_server.pusher.why import Explanation, explain


async def pushes(desk: AdminServices, page: PushPage, *, plain: bool) -> shapes.Pushes:
    """A page of pushes; ``plain`` shows personal data."""
    return shapes.pushes(page, await whys(desk, page.rows, plain=plain), plain=plain)


async def push_whole(desk: AdminServices, detail: PushDetail, *, plain: bool) -> shapes.PushWhole:
    """One push with all its data."""
    return shapes.push_whole(detail, await whys(desk, [detail.push], plain=plain), plain=plain)


async def shipment(desk: AdminServices, timeline: Timeline, *, plain: bool) -> shapes.Shipment:
    """A part of a shipment's history."""
    rows = [pushed.push for entry in timeline.entries for pushed in entry.pushes]
    return shapes.shipment(timeline, await whys(desk, rows, plain=plain), plain=plain)


async def whys(desk: AdminServices, rows: Iterable[PushRow], *, plain: bool) -> Mapping[str, Explanation]:
    """Why each of these pushes waits or ended, by push id."""
    rows, now = list(rows), desk.wall()
    live = {row.push_id: _live(desk, row) for row in rows if row.state is PushState.PENDING}
    unsure = [row.cursor for row in rows if row.push_id in live and _needs_journal(row, live[row.push_id], now)]
    heads: dict[str, str] = {}
    for first in range(0, len(unsure), MOST_ROWS):
        heads |= await desk.lookup.lane_heads(unsure[first : first + MOST_ROWS])
    return {
        row.push_id: explain(
            row,
            live.get(row.push_id),
            error=row.error if plain else masking.error(row.error),
            behind=heads.get(row.cursor),
            now=now,
        )
        for row in rows
    }


def _live(desk: AdminServices, row: PushRow) -> LivePush:
    position = parse_cursor(row.cursor)
    assert position is not None
    return desk.live(row.push_config, update_id=position[0], account=row.account, shipment=row.shipment)


def _needs_journal(row: PushRow, live: LivePush, now: float) -> bool:
    """Whether to look for an earlier push of its lane; a push with a planned attempt is the head of its lane."""
    return live.needs_journal and row.due_at <= now * 1000
