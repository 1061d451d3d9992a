"""A stored update, read again, looks to filters as it did when it was received."""

from typing import Any

import msgspec
import pytest

from support import definitions
from support.definitions import definition
from support.serving import account, table
from trackpush_aggregators import Reader, Readers, composable, compose, decode, parse
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.vocabulary import Aggregator
from trackpush_server.definitions import compiled
from trackpush_server.journal.model import NewUpdate
from trackpush_server.operations import parsing
from trackpush_server.receiver.filters import FilterSelection
from trackpush_server.receiver.intake import intake

RECEIVED_AT = 1_760_000_000_123
UNSEEN: dict[str, Any] = {"identity": (), "shipment": "", "occurred_at_text": None, "identified_at": None}
"""Fields that no filter sees."""
FORMATS = {
    Aggregator.CLICKPOST: ("all", "selected", "wrapped"),
    Aggregator.SHIPROCKET: ("webhook",),
    Aggregator.SHIPWAY: ("panel", "classic"),
}


def update_again(notification: bytes, body: bytes, *readers: Reader) -> tuple[TrackingUpdate, int]:
    return parsing.update_again(notification, body, Readers(readers))


def stored(aggregator: Reader | Aggregator, body: bytes) -> list[tuple[TrackingUpdate, NewUpdate]]:
    """Each update of a body, and what the journal keeps of it."""
    updates = parse(aggregator, decode(body, "application/json"), body, key="k", received_at=RECEIVED_AT).updates
    one = account(aggregator.name if isinstance(aggregator, Reader) else aggregator, "k")
    made = intake(one, FilterSelection(one, table(one)), updates, RECEIVED_AT, nonce=lambda: b"nonce").updates
    return list(zip(updates, made, strict=True))


def seen(update: TrackingUpdate) -> TrackingUpdate:
    """What filters see of it."""
    return msgspec.structs.replace(update, **UNSEEN)


@pytest.mark.parametrize("aggregator", Aggregator)
def test_every_status_in_every_format_is_read_again_as_it_was_received(aggregator: Aggregator) -> None:
    for form in FORMATS[aggregator]:
        for status in sorted(composable(aggregator)):
            body = compose(aggregator, status, awb="A1", order_id="O1", occurred_at=RECEIVED_AT, format=form)
            ((update, kept),) = stored(aggregator, body)
            assert update.codes
            assert update_again(kept.notification, kept.body) == (seen(update), RECEIVED_AT), (form, status)


def test_each_update_of_a_feed_is_read_again_alone() -> None:
    items = [
        {"awbno": f"A{number}", "order_id": f"O{number}", "current_status": code, "current_status_desc": text}
        for number, (code, text) in enumerate([("DEL", "Delivered"), ("INT", "In Transit"), ("XX", "Never heard of")])
    ]
    body = msgspec.json.encode({"hash": "secret", "status_feed": items})
    found = stored(Aggregator.SHIPWAY, body)
    assert len(found) == 3
    for update, kept in found:
        assert update_again(kept.notification, kept.body) == (seen(update), RECEIVED_AT)


def test_where_the_body_is_not_understood_any_more_the_codes_of_the_notification_count() -> None:
    body = compose(Aggregator.SHIPROCKET, "DELIVERED", awb="A1", order_id="O1", occurred_at=RECEIVED_AT)
    ((update, kept),) = stored(Aggregator.SHIPROCKET, body)
    for other in (b"{}", b"7", b"", b"[[1"):
        again, _ = update_again(kept.notification, other)
        assert (again.status, again.codes) == (update.status, (update.aggregator_code, update.aggregator_label))


@pytest.mark.parametrize("notification", [b"", b"{}", b"[]", b'{"type":1}'])
def test_a_notification_that_cannot_be_read_is_a_value_error(notification: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        update_again(notification, b"{}")


def test_a_notification_with_a_status_of_another_version_is_a_value_error() -> None:
    body = compose(Aggregator.SHIPROCKET, "DELIVERED", awb="A1", order_id="O1", occurred_at=RECEIVED_AT)
    ((_, kept),) = stored(Aggregator.SHIPROCKET, body)
    for old, new in ((b'"DELIVERED"', b'"TELEPORTED"'), (b'"shiprocket"', b'"carrier-pigeon"')):
        assert old in kept.notification
        with pytest.raises(ValueError, match=r"TELEPORTED|carrier-pigeon"):
            update_again(kept.notification.replace(old, new), kept.body)


def test_what_few_aggregators_report_is_read_again_and_an_older_journal_has_none_of_it() -> None:
    body = msgspec.json.encode(
        {
            "awb": "A1",
            "current_status": "UNDELIVERED-2ND ATTEMPT",
            "pod": "https://files.example.test/pod.jpg",
            "qc_failure_reason": "101,102",
        }
    )
    ((update, kept),) = stored(Aggregator.SHIPROCKET, body)
    again, _ = update_again(kept.notification, kept.body)
    older = msgspec.json.decode(kept.notification)
    for member in ("attempt", "proofOfDelivery", "qcReasons"):
        del older["status"][member]

    assert (again.attempt, again.qc_reasons) == (2, ("101", "102"))
    assert again.proof_of_delivery == "https://files.example.test/pod.jpg"
    assert again == seen(update)
    former, _ = update_again(msgspec.json.encode(older), kept.body)
    assert (former.attempt, former.proof_of_delivery, former.qc_reasons) == (None, None, ())


def test_an_update_of_a_defined_aggregator_is_read_again_while_its_definition_is_served() -> None:
    reader = compiled(definition())
    body = definitions.body(note="a remark")
    ((update, kept),) = stored(reader, body)

    again, _ = update_again(kept.notification, kept.body, reader)
    assert again == seen(update)
    assert again.codes
    with pytest.raises(ValueError, match="no AggregatorDefinition of this name is served"):
        update_again(kept.notification, kept.body)
