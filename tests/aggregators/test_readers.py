"""Readers: every aggregator is read through the same interface, whether it is built in or not."""

from collections.abc import Iterator
from typing import Any

from aggregators.bodies import NOW
from trackpush_aggregators import BUILT_IN, Reader, Readers, decode, parse
from trackpush_aggregators.parsed import Meaning, tracking_update
from trackpush_aggregators.updates import TrackingUpdate, notification
from trackpush_api.vocabulary import Direction, Status

BODY = b'{"parcels": ["1", "2"], "phone": "99"}'


def _updates(document: Any, body: bytes, _: int) -> Iterator[TrackingUpdate]:
    meaning = Meaning(status=Status.DELIVERED, direction=Direction.FORWARD, code="D", label=None, codes=("D",))
    for number in document.get("parcels", ()):
        yield tracking_update(
            "parcelkit",
            meaning,
            identity=(number,),
            shipment=number,
            body=body,
            occurred_at=NOW,
            occurred_at_text="now",
        )


PARCELKIT = Reader(
    name="parcelkit", updates=_updates, clean=lambda _, body: body.replace(b'"phone": "99"', b'"phone": ""')
)


def test_a_given_reader_reads_bodies_and_names_the_aggregator_in_its_notifications() -> None:
    parsed = parse(PARCELKIT, decode(BODY), BODY, key=None, received_at=NOW)
    assert [update.shipment for update in parsed.updates] == ["1", "2"]
    assert notification(parsed.updates[0], NOW).aggregator == "parcelkit"


def test_a_body_without_updates_is_kept_without_what_the_reader_removes() -> None:
    body = BODY.replace(b"parcels", b"unknown")
    (leftover,) = parse(PARCELKIT, decode(body), body, key=None, received_at=NOW).leftovers
    assert leftover.body == b'{"unknown": ["1", "2"], "phone": ""}'
    assert leftover.names == ("unknown", "phone")


def test_readers_find_built_in_and_given_aggregators_and_no_built_in_one_is_replaced() -> None:
    readers = Readers([PARCELKIT, Reader(name="Shipway", updates=_updates)])
    assert readers.get("parcelkit") is PARCELKIT
    assert readers.get("Shipway") is BUILT_IN["Shipway"]
    assert readers.get("nobody") is None
    assert [reader.name for reader in readers] == ["Clickpost", "Shiprocket", "Shipway", "parcelkit"]
