"""Maps a parsed body to journal entries: keys, notifications and pushes. Pure.

The parts of a notification that all pushes share are computed here, once per update; each push only adds its id and
``late``.
"""

from collections.abc import Callable, Generator, Sequence
from typing import NamedTuple

import msgspec

from trackpush_aggregators import STEP, Leftover
from trackpush_aggregators.updates import TrackingUpdate, notification, occurrence_key, update_key
from trackpush_api.routing import Account
from trackpush_api.vocabulary import Status, slug_of
from trackpush_server.journal.inbox import NewUnrecognised
from trackpush_server.journal.model import NewUpdate
from trackpush_server.receiver.filters import FilterFailure, FilterSelection

_ENCODE = msgspec.json.Encoder().encode


class UnknownReport(NamedTuple):
    """What one update with an unknown status says about it. Secrets are redacted, and texts are cut."""

    code: str | None
    label: str | None
    values: tuple[str, ...]
    """As `TrackingUpdate.unknown_values`."""


class Intake(msgspec.Struct, frozen=True):
    """The result for one request. ``filtered`` counts the pushes that filters dropped."""

    updates: tuple[NewUpdate, ...]
    filtered: int
    unknown: tuple[UnknownReport, ...]
    failures: tuple[FilterFailure, ...] = ()
    """Expressions that failed; their pushes are created anyway."""


def intake(
    account: Account,
    selection: FilterSelection,
    updates: tuple[TrackingUpdate, ...],
    received_at: int,
    trace: str | None = None,
    *,
    nonce: Callable[[], bytes],
) -> Intake:
    """The updates of one request, for one commit. ``received_at`` is in milliseconds since the epoch.

    ``nonce`` gives `trackpush_aggregators.updates.NONCE_BYTES` random bytes for an update without a time. An update
    that no destination accepts is stored without pushes, as a record that it arrived.
    """
    failures: list[FilterFailure] = []
    made = tuple(
        [
            _new_update(account, selection, update, received_at, trace=trace, failures=failures, nonce=nonce)
            for update in updates
        ]
    )
    filtered = len(selection) * len(made) - sum([len(update.pushes) for update in made])
    unknown = tuple([_unknown(update) for update in updates if update.status is Status.UNKNOWN])
    return Intake(made, filtered, unknown, tuple(failures))


def intake_in_steps(
    account: Account,
    selection: FilterSelection,
    updates: Sequence[TrackingUpdate],
    received_at: int,
    trace: str | None = None,
    *,
    nonce: Callable[[], bytes],
) -> Generator[None, None, Intake]:
    """`intake` of any number of updates; yields after each `STEP` of them but the last."""
    parts = []
    for start in range(0, len(updates), STEP):
        if start:
            yield
        part = tuple(updates[start : start + STEP])
        parts.append(intake(account, selection, part, received_at, trace, nonce=nonce))
    return parts[0] if len(parts) == 1 else joined(parts)


def joined(parts: Sequence[Intake]) -> Intake:
    """Combine the parts of one request."""
    return Intake(
        tuple(update for part in parts for update in part.updates),
        sum(part.filtered for part in parts),
        tuple(report for part in parts for report in part.unknown),
        tuple(failure for part in parts for failure in part.failures),
    )


def new_unrecognised(account: Account, leftover: Leftover, received_at: int) -> NewUnrecognised:
    """The inbox entry of a body that names no shipment."""
    return NewUnrecognised(
        account=account.name,
        aggregator=slug_of(account.aggregator),
        received_at=received_at,
        content_type=leftover.content_type,
        body=leftover.body,
        generation=account.generation,
    )


def _unknown(update: TrackingUpdate) -> UnknownReport:
    return UnknownReport(update.aggregator_code, update.aggregator_label, update.unknown_values)


def _new_update(
    account: Account,
    selection: FilterSelection,
    update: TrackingUpdate,
    received_at: int,
    *,
    trace: str | None,
    failures: list[FilterFailure],
    nonce: Callable[[], bytes],
) -> NewUpdate:
    timeless = update.timeless
    identity = f"{account.name}@{account.generation}" if account.generation else account.name
    return NewUpdate(
        key=occurrence_key(identity, update, received_at=received_at, nonce=nonce())
        if timeless
        else update_key(identity, update),
        account=account.name,
        received_at=received_at,
        occurred_at=update.occurred_at,
        shipment=update.shipment,
        awb=update.awb,
        forward_awb=update.forward_awb,
        order_id=update.order_id,
        status=update.status.value,
        notification=_ENCODE(notification(update, received_at)),
        body=update.body,
        pushes=selection.of(update, received_at, failures),
        trace=trace,
        timeless=timeless,
    )
