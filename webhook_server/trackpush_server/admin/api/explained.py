"""The API's answers about pushes, each with why it waits or ended: the journal's rows and the live facts meet here."""

from collections.abc import Iterable, Mapping

from trackpush_server.admin import masking
from trackpush_server.admin.api import shapes
from trackpush_server.admin.desk import AdminServices
from trackpush_server.journal.model import PushState
from trackpush_server.journal.search import MOST_ROWS, PushDetail, PushPage, PushRow, Timeline, parse_cursor
from trackpush_server.outbound.answered import ShownAnswer
from trackpush_server.pusher.live import LivePush
from trackpush_server.pusher.preview import PushContent, preview
from trackpush_server.pusher.why import Explanation, explain


async def pushes(desk: AdminServices, page: PushPage, *, plain: bool) -> shapes.Pushes:
    """A page of pushes; ``plain`` shows personal data."""
    return shapes.pushes(page, await whys(desk, page.rows, plain=plain), plain=plain)


async def push_whole(desk: AdminServices, detail: PushDetail, *, plain: bool) -> shapes.PushWhole:
    """One push with all its data."""
    found = await whys(desk, [detail.push], plain=plain)
    request = _request(desk, detail) if plain else None
    return shapes.push_whole(detail, found, request, plain=plain, answers=_answers(desk, detail) if plain else {})


def _answers(desk: AdminServices, detail: PushDetail) -> dict[int, ShownAnswer]:
    """What the client answered, by the number of the attempt, as far as it is in memory."""
    position = parse_cursor(detail.push.cursor)
    assert position is not None
    name = detail.push.push_config
    found = ((attempt.number, desk.answer(name, position[0], attempt.number)) for attempt in detail.attempts)
    return {number: answer for number, answer in found if answer is not None}


def _request(desk: AdminServices, detail: PushDetail) -> shapes.PushRequest | None:
    """The request of a push, if it has a body and a PushConfig."""
    row, table = detail.push, desk.table()
    destination = None if table is None else table.destination_by_name.get(row.push_config)
    if destination is None or not detail.notification or detail.unreadable is not None:
        return None
    sent_by = _sent_by(detail, _live(desk, row).configured_at)
    last = detail.attempts[-1].started_at if detail.attempts else int(desk.wall() * 1000)
    content = PushContent(
        push_id=row.push_id,
        account=row.account,
        notification=detail.notification,
        raw=detail.body,
        late=row.late,
        replays=row.replays,
    )
    found = preview(destination, content, timestamp=last // 1000)
    return None if found is None else shapes.request(found, sent_by=sent_by, certainty=_certainty(detail, sent_by))


def _sent_by(detail: PushDetail, configured_at: float | None) -> tuple[int, ...]:
    """The attempts that surely sent this request: since the PushConfig has its present version, and the last replay."""
    row = detail.push
    if configured_at is None:
        return ()
    since = [attempt.number for attempt in detail.attempts if attempt.started_at >= configured_at * 1000]
    if not row.replays:
        return tuple(since)
    # A replay changes a header, and can make the push late. Only an ended push was surely tried since the last one.
    return tuple(since[-1:]) if row.state is not PushState.PENDING else ()


def _certainty(detail: PushDetail, sent_by: tuple[int, ...]) -> str:
    numbers = [attempt.number for attempt in detail.attempts]
    if not numbers:
        return "No attempt was made: this is what would be sent now."
    others = [str(number) for number in numbers if number not in sent_by]
    if not others:
        return "Each attempt sent this; only its time and its signature differ."
    doubt = (
        "it was before the last change of the PushConfig, the last replay, or the start of this server, so the URL,"
        " the headers and the form of the body may have been others"
    )
    if not sent_by:
        return f"This is what would be sent now. Attempt {', '.join(others)}: {doubt}."
    sent = ", ".join(map(str, sent_by))
    return f"Attempt {sent} sent this; only its time and its signature differ. Attempt {', '.join(others)}: {doubt}."


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
