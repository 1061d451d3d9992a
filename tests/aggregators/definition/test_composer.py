"""Bodies in the format of a definition, composed from its samples, are read as what was asked for."""

import json
from typing import Any

import pytest

from aggregators.definition_helpers import one, spec
from trackpush_aggregators.catalog import catalog_names, catalog_spec
from trackpush_aggregators.composing import Event
from trackpush_aggregators.definition import compile_definition
from trackpush_aggregators.definition.composer import composable_by, compose_defined
from trackpush_api.vocabulary import Status

EVENT = Event("900000000077", "ORD-77", 1_780_000_020_000)
RECEIVED_AT = 1_790_000_000_000
TIMELESS = {("ekart", Status.CREATED)}
"""The first sample of this status has no time."""


@pytest.mark.parametrize("name", catalog_names())
def test_every_status_of_the_catalog_can_be_composed_for_another_shipment_and_time(name: str) -> None:
    defined = catalog_spec(name)
    assert defined is not None
    reader = compile_definition(name, defined)
    statuses = composable_by(name, defined)
    assert {row.status for row in defined.status.table} <= statuses
    for status in statuses:
        update = one(reader, compose_defined(name, defined, status, EVENT), received_at=RECEIVED_AT)
        assert (update.status, update.awb) == (status, EVENT.awb)
        assert update.order_id in (EVENT.order_id, None)
        if (name, status) not in TIMELESS:
            assert update.occurred_at is not None
            assert update.occurred_at // 60_000 == EVENT.occurred_at // 60_000, status


def test_the_neighbours_of_an_update_are_left_out() -> None:
    defined = catalog_spec("bluedart")
    assert defined is not None

    body = json.loads(compose_defined("bluedart", defined, Status.OUT_FOR_DELIVERY, EVENT))

    (entry,) = body["statustracking"]
    assert entry["Shipment"]["WaybillNo"] == EVENT.awb


def test_numbers_stay_numbers() -> None:
    sample = {"name": "delivered", "body": {"awb": 17, "code": "DL", "at": 1_770_000_000}, "expect": [{}]}

    body = json.loads(compose_defined("parcelkit", spec(samples=[sample]), "DELIVERED", EVENT))

    assert body == {"awb": 900000000077, "code": "DL", "at": 1_780_000_020}


def test_a_status_without_a_sample_is_refused_and_those_with_one_are_named() -> None:
    sample = {"name": "delivered", "body": {"awb": "1", "code": "DL"}, "expect": [{}]}

    with pytest.raises(
        ValueError, match="no sample or row of parcelkit gives the status LOST; these can be sent: DELIVERED"
    ):
        compose_defined("parcelkit", spec(samples=[sample]), "LOST", EVENT)


def test_a_status_without_a_sample_is_composed_with_the_codes_of_a_row() -> None:
    rows = [
        {"when": ["DL", "104"], "status": "DELIVERED"},
        {"when": ["RT", "*"], "status": "RTO_IN_TRANSIT"},
        {"when": ["RT", "9*"], "status": "RTO_DELIVERED"},
    ]
    body = {"awb": "1", "group": "DL", "code": 104, "at": "2026-06-01 10:00"}
    status = {"code": ["group", "code"], "table": rows}
    defined = spec(status=status, samples=[{"name": "delivered", "body": body, "expect": [{}]}])

    composed = json.loads(compose_defined("parcelkit", defined, "RTO_IN_TRANSIT", EVENT))

    assert composed == {"awb": EVENT.awb, "group": "RT", "code": 104, "at": "2026-05-28 20:27"}
    # The row before it matches every code of RTO_DELIVERED.
    assert composable_by("parcelkit", defined) == {Status.DELIVERED, Status.RTO_IN_TRANSIT}


@pytest.mark.parametrize(
    "body",
    [
        '{"items": [{"awb": "1", "code": "X"}, {"awb": "2", "code": "DL"}, {"code": "DL"}]}',
        {"items": {"0": {"awb": "1", "code": "X"}, "1": {"awb": "2", "code": "DL"}}},
        {"items": {"awb": "2", "code": "DL"}},
        [{"items": [{"awb": "1", "code": "X"}]}, {"items": [{"awb": "2", "code": "DL"}]}],
    ],
)
def test_samples_of_every_form_are_composed_from(body: Any) -> None:
    parts = {"awb": "item.awb", "occurredAt": "item.at"}
    status = {"code": "item.code", "table": [{"when": "DL", "status": "DELIVERED"}]}
    steps = [{"as": "item", "in": "body.items"}]
    defined = spec(fields=parts, status=status, updates=steps, samples=[{"name": "s", "body": body, "expect": [{}]}])

    composed = compose_defined("parcelkit", defined, "DELIVERED", EVENT)

    update = one(compile_definition("parcelkit", defined), composed)
    assert (update.awb, update.status) == (EVENT.awb, Status.DELIVERED)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1770000000", "1780000020"),
        ("1748944200", "1780000020"),
        ("1748944200.5", "1780000020.000"),
        (1_770_000_000_000, 1_780_000_020_000),
        ("26th Oct 2024 08:11 AM", "2026-05-28T20:27:00+00:00"),
        ("20260601100000", "20260528202700"),
        ("1/6/2026 10:00", "28/05/2026 20:27"),
        ("2026-06-01T10:00:00.123Z", "2026-05-28T20:27:00.000Z"),
    ],
)
def test_a_time_is_written_as_before_or_as_iso_8601(before: Any, after: Any) -> None:
    sample = {"name": "delivered", "body": {"awb": "1", "code": "DL", "at": before}, "expect": [{}]}

    assert json.loads(compose_defined("parcelkit", spec(samples=[sample]), "DELIVERED", EVENT))["at"] == after


def test_an_awb_in_a_list_is_written() -> None:
    sample = {"name": "delivered", "body": {"awbs": ["1", "2"], "code": "DL"}, "expect": [{}]}
    defined = spec(fields={"awb": "awbs[1]"}, samples=[sample])

    assert json.loads(compose_defined("parcelkit", defined, "DELIVERED", EVENT))["awbs"] == ["1", EVENT.awb]


def test_an_awb_that_an_expression_computes_is_refused() -> None:
    sample = {"name": "delivered", "body": {"awb": "1", "code": "DL"}, "expect": [{}]}
    defined = spec(fields={"awb": {"cel": "'P' + body.awb"}}, samples=[sample])

    with pytest.raises(ValueError, match="the definition of parcelkit computes the AWB, so no other can be written"):
        compose_defined("parcelkit", defined, "DELIVERED", EVENT)


def test_a_definition_without_samples_can_send_nothing() -> None:
    with pytest.raises(ValueError, match="the status DELIVERED; these can be sent: none"):
        compose_defined("parcelkit", spec(samples=[]), "DELIVERED", EVENT)
