"""Maps the rows of any adapter to the records of the search port."""

from collections.abc import Mapping
from typing import NamedTuple

from trackpush_server.ids import push_id
from trackpush_server.journal.model import PushState
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.search import PushRow, TimelineEntry, TimelinePush


class FoundPush(NamedTuple):
    """A row of a push joined with its update; names are numbers."""

    update_id: int
    config_id: int
    state: int
    late: int
    tries: int
    rejections: int
    due_at: int
    ended_at: int | None
    error: str | None
    key: bytes
    account_id: int
    received_at: int
    occurred_at: int | None
    shipment: str
    awb: str | None
    forward_awb: str | None
    order_id: str | None
    status: str
    replays: int
    erased_at: int | None


class FoundUpdate(NamedTuple):
    """A row of an update."""

    id: int
    key: bytes
    account_id: int
    received_at: int
    occurred_at: int | None
    shipment: str
    awb: str | None
    forward_awb: str | None
    order_id: str | None
    status: str
    erased_at: int | None
    notification: bytes


class Names(NamedTuple):
    """``namespace/name`` by number. An adapter may use one mapping for both kinds."""

    accounts: Mapping[int, str]
    push_configs: Mapping[int, str]


Position = tuple[int, int]
"""Sort key of a push in the order received: the update's id, then the number of the PushConfig."""


def position(found: FoundPush) -> Position:
    return found.update_id, found.config_id


def cursor_text(of: Position) -> str:
    """The cursor of a position; `parse_cursor` reads it."""
    return f"{of[0]}.{of[1]}"


def push_row(names: Names, found: FoundPush) -> PushRow:
    push_config = names.push_configs[found.config_id]
    return PushRow(
        push_id=push_id(found.key, push_config),
        push_config=push_config,
        account=names.accounts[found.account_id],
        shipment=found.shipment,
        awb=found.awb,
        forward_awb=found.forward_awb,
        order_id=found.order_id,
        status=found.status,
        state=PushState(found.state),
        late=bool(found.late),
        tries=found.tries,
        rejections=found.rejections,
        due_at=found.due_at,
        received_at=found.received_at,
        occurred_at=found.occurred_at,
        ended_at=found.ended_at,
        error=found.error,
        replays=found.replays,
        erased_at=found.erased_at,
        cursor=cursor_text(position(found)),
    )


def timeline_entry(
    names: Names, found: FoundUpdate, pushes: tuple[TimelinePush, ...], *, sealer: Sealer
) -> TimelineEntry:
    payload = sealer.payload(key=found.key, notification=found.notification, body=b"")
    return TimelineEntry(
        update_id=found.id,
        account=names.accounts[found.account_id],
        shipment=found.shipment,
        awb=found.awb,
        forward_awb=found.forward_awb,
        order_id=found.order_id,
        status=found.status,
        received_at=found.received_at,
        occurred_at=found.occurred_at,
        erased_at=found.erased_at,
        notification=payload.notification,
        unreadable=payload.unreadable,
        pushes=pushes,
    )
