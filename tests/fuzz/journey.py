"""What happens to one body inside a server, from its bytes to what clients and operators see. No network, no disk."""

import contextlib
import io
from typing import Final

import msgspec

from fuzz.mutation import Made
from fuzz.seeds import KEY
from support.serving import account, table
from trackpush_aggregators import (
    MalformedBodyError,
    TooManyUpdatesError,
    body_key,
    decode,
    mentions,
    parse,
    strangers,
)
from trackpush_api.routing import Destination, Filter
from trackpush_api.vocabulary import Aggregator
from trackpush_cli import output, pushes_view
from trackpush_runtime.reader_time import DEFAULT_ZONE
from trackpush_server.admin.api import inbox, shapes
from trackpush_server.admin.console import zones
from trackpush_server.admin.console.templating import environment
from trackpush_server.admin.identity import Identity
from trackpush_server.journal.inbox import InboxEntry, InboxRow, NewUnrecognised
from trackpush_server.journal.model import NewUpdate, PushState
from trackpush_server.journal.search import AttemptRow, PushDetail, PushRow, Timeline, TimelineEntry, TimelinePush
from trackpush_server.pusher import render
from trackpush_server.pusher.preview import PushContent, preview
from trackpush_server.pusher.why import explain
from trackpush_server.receiver.filters import FilterSelection
from trackpush_server.receiver.intake import intake, new_unrecognised

NOW: Final = 1_790_000_000_000
ACCOUNT: Final = "acme/fuzzed"
PUSH_ID: Final = "psh_00000000000000000000000000000001-00000001"
_PEOPLE: Final = (
    Identity(actor="operator", role="operate", via="token"),
    Identity(actor="viewer", role="view", via="token"),
)
_RAW: Final = Destination(name="acme/all", url="https://a.example/", payload_format="Raw")
_EXPRESSION: Final = (
    'has(raw.additional) ? raw.additional.order_id != "SO-0" '
    ': string(raw) != "" || raw.awb == 1 || raw.current_status == "RTO"'
)
_ATTEMPT: Final = AttemptRow(number=1, started_at=NOW, duration_ms=12.5, http_status=500, error="HTTP 500: sorry")


class Journey:
    """Follows bodies of one aggregator."""

    def __init__(self, aggregator: Aggregator) -> None:
        self._aggregator = aggregator
        self._account = account(aggregator, KEY, name=ACCOUNT, destinations=("acme/reads-raw", "acme/all"))
        wanted = (
            Destination(name="acme/reads-raw", url="https://a.example/", filter=Filter(expression=_EXPRESSION)),
            Destination(name="acme/all", url="https://a.example/"),
        )
        self._selection = FilterSelection(self._account, table(self._account, destinations=wanted))

    def follow(self, made: Made, *, pages: bool) -> str:
        """Everything that a server does with a body that came with a known key; returns the result.

        ``pages`` also makes the console's pages and the output of the command line, which takes longer.
        """
        try:
            document = decode(made.body, made.content_type)
            body_key(self._aggregator, document)
            list(strangers.keys_in(self._aggregator, made.body))
            content = strangers.look(self._aggregator, document, made.body, received_at=NOW)
            parsed = parse(
                self._aggregator,
                document,
                made.body,
                key=KEY,
                received_at=NOW,
                content_type=made.content_type,
            )
        except (MalformedBodyError, TooManyUpdatesError):
            return "refused"
        assert (content is strangers.Content.UPDATES) == bool(parsed.updates), "with and without a key it is the same"
        taken = intake(self._account, self._selection, parsed.updates, NOW, nonce=lambda: b"n" * 16)
        for update in taken.updates:
            self._push(update)
            _view(update, pages=pages)
        for leftover in parsed.leftovers:
            _view_unrecognised(new_unrecognised(self._account, leftover, NOW))
        return "updates" if parsed.updates else "unrecognised" if parsed.leftovers else "probe"

    def _push(self, update: NewUpdate) -> None:
        """Render it in every format, and sign it."""
        assert KEY.encode() not in update.body
        sent = render.canonical(PUSH_ID, update.notification, update.body, late=False)
        content = msgspec.json.decode(sent)
        assert content["raw"] == msgspec.json.decode(update.body)
        event = render.cloud_event(PUSH_ID, ACCOUNT, update.notification, update.body, late=True)
        assert msgspec.json.decode(event)["data"]["id"] == PUSH_ID
        render.headers(PUSH_ID, NOW // 1000, sent, (b"secret",))


def _content(update: NewUpdate) -> PushContent:
    return PushContent(
        push_id=PUSH_ID,
        account=ACCOUNT,
        notification=update.notification,
        raw=update.body,
        late=False,
        replays=0,
    )


def _view(update: NewUpdate, *, pages: bool) -> None:
    """Show it to both roles: API, console, command line."""
    row = _row(update)
    detail = PushDetail(push=row, attempts=(_ATTEMPT,), notification=update.notification, body=update.body)
    whys = {row.push_id: explain(row, None, error=row.error, behind=None, now=row.received_at / 1000)}
    found = preview(_RAW, _content(update), timestamp=NOW // 1000)
    assert found is not None
    shown = shapes.request(found, sent_by=(1,), certainty="sent")
    for who in _PEOPLE:
        whole = shapes.push_whole(detail, whys, shown, plain=who.operates, answers={})
        msgspec.json.encode(whole)
        if not pages:
            continue
        story = shapes.shipment(Timeline(entries=(_entry(update, row),)), whys, plain=who.operates)
        msgspec.json.encode(story)
        context = {"who": who, "active": "search", "path": "/console/", "here": "/console/", "notice": ""}
        context["zones"] = zones.choices(DEFAULT_ZONE)
        environment().get_template("push.html").render(context | {"whole": whole, "push": whole.push})
        environment().get_template("shipment.html").render(
            context | {"name": update.shipment, "story": story, "more": None}
        )
    if pages:
        with contextlib.redirect_stdout(io.StringIO()):
            pushes_view.print_detail(detail, body=True)
            pushes_view.print_pushes([row], None)
            output.print_data(pushes_view.detail_data(detail, body=True), "json")
            output.print_data(pushes_view.detail_data(detail, body=True), "yaml")


def _view_unrecognised(kept: NewUnrecognised) -> None:
    row = InboxRow(
        id=1,
        key=b"k" * 16,
        account=kept.account,
        aggregator=kept.aggregator,
        received_at=NOW,
        last_at=NOW,
        times=1,
        size=len(kept.body),
        content_type=kept.content_type,
    )
    for who in _PEOPLE:
        msgspec.json.encode(inbox.unrecognised_whole(InboxEntry(row=row, body=kept.body), plain=who.operates))
    mentions(kept.body, "1900")


def _row(update: NewUpdate) -> PushRow:
    return PushRow(
        push_id=PUSH_ID,
        push_config="acme/all",
        account=update.account,
        shipment=update.shipment,
        awb=update.awb,
        forward_awb=update.forward_awb,
        order_id=update.order_id,
        status=update.status,
        state=PushState.PENDING,
        late=False,
        tries=1,
        rejections=0,
        due_at=0,
        received_at=update.received_at,
        occurred_at=update.occurred_at,
        ended_at=None,
        error="HTTP 500: sorry",
        cursor="1",
    )


def _entry(update: NewUpdate, row: PushRow) -> TimelineEntry:
    return TimelineEntry(
        update_id=1,
        account=update.account,
        shipment=update.shipment,
        awb=update.awb,
        forward_awb=update.forward_awb,
        order_id=update.order_id,
        status=update.status,
        received_at=update.received_at,
        occurred_at=update.occurred_at,
        erased_at=None,
        notification=update.notification,
        pushes=(TimelinePush(row, (_ATTEMPT,)),),
    )
