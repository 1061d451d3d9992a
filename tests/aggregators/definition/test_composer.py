"""Bodies in the format of a definition, composed from its samples, are read as what was asked for."""

import json

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


def test_a_status_without_a_sample_is_refused_with_those_that_there_are() -> None:
    sample = {"name": "delivered", "body": {"awb": "1", "code": "DL"}, "expect": [{}]}

    with pytest.raises(ValueError, match="no sample of parcelkit has the status LOST; they have: DELIVERED"):
        compose_defined("parcelkit", spec(samples=[sample]), "LOST", EVENT)
