"""Composed bodies are read as what they were asked to be."""

import pytest

from aggregators.bodies import CLICKPOST, SHIPROCKET, SHIPWAY, one
from trackpush_aggregators import composable, compose
from trackpush_api.vocabulary import Aggregator, Direction, Status

FORMATS = [(CLICKPOST, "all"), (CLICKPOST, "selected"), (CLICKPOST, "wrapped"), (SHIPROCKET, None), (SHIPWAY, "panel"),
           (SHIPWAY, "classic")]  # fmt: skip
WHEN = 1_700_000_000_000


def facts(**changes: object) -> dict[str, object]:
    return {"awb": "0012345678901", "order_id": "SO-77", "occurred_at": WHEN} | changes


@pytest.mark.parametrize(("aggregator", "form"), FORMATS)
def test_a_composed_body_is_read_as_its_status_time_and_shipment(aggregator: Aggregator, form: str | None) -> None:
    for status in composable(aggregator):
        update = one(aggregator, compose(aggregator, status, format=form, **facts()))  # type: ignore[arg-type]

        assert update.status is status
        assert update.occurred_at == WHEN
        assert "0012345678901" in {update.awb, update.forward_awb}
        assert update.order_id == "SO-77"
        assert not update.test


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("aggregator", Aggregator)
def test_a_direction_that_is_asked_for_is_given_or_refused(aggregator: Aggregator, direction: Direction) -> None:
    given = set()
    for status in Status:
        try:
            body = compose(aggregator, status, direction=direction, **facts())  # type: ignore[arg-type]
        except ValueError:
            continue
        update = one(aggregator, body)
        assert (update.status, update.direction) == (status, direction)
        given.add(status)
    assert given <= composable(aggregator)
    assert {Direction.FORWARD: Status.DELIVERED, Direction.RTO: Status.RTO_DELIVERED}.get(
        direction, Status.RETURN_DELIVERED
    ) in given


def test_the_three_together_express_every_status_but_that_of_pickup_points() -> None:
    expressed = composable(CLICKPOST) | composable(SHIPROCKET) | composable(SHIPWAY)

    assert expressed == set(Status) - {Status.AVAILABLE_FOR_PICKUP}


def test_what_cannot_be_composed_is_named_with_what_can() -> None:
    with pytest.raises(ValueError, match=r"Shipway has no code for EATEN; it has: .*DELIVERED"):
        compose(SHIPWAY, "EATEN", **facts())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Shipway has no code for DELIVERED in direction reverse"):
        compose(SHIPWAY, Status.DELIVERED, direction=Direction.REVERSE, **facts())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no format 'xml'; it has: panel, classic"):
        compose(SHIPWAY, Status.DELIVERED, format="xml", **facts())  # type: ignore[arg-type]


def test_updates_of_one_shipment_a_second_apart_are_different_updates() -> None:
    for aggregator in Aggregator:
        bodies = [compose(aggregator, "DELIVERED", **facts(occurred_at=WHEN + at)) for at in (0, 1000)]  # type: ignore[arg-type]
        first, second = (one(aggregator, body) for body in bodies)
        assert first.identity != second.identity
