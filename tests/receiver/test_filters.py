"""Who gets an update: the account's codes, and the filter of each destination."""

import pytest
from msgspec.structs import replace

from support.bodies import body
from support.serving import account, table
from trackpush_api.routing import Destination, Filter
from trackpush_api.vocabulary import Aggregator, Direction
from trackpush_server.aggregators import decode, parse
from trackpush_server.journal.port import NewPush
from trackpush_server.receiver.filters import Selection, passes, wants
from trackpush_server.receiver.intake import intake
from trackpush_server.updates import TrackingUpdate


def update() -> TrackingUpdate:
    """In transit, forward, Clickpost's code 5."""
    content = body("clickpost", mark=1, shipment=1, second=1)
    return parse(Aggregator.CLICKPOST, decode(content), content, key=None).updates[0]


@pytest.mark.parametrize(
    ("wanted", "result"),
    [
        (Filter(), True),
        (Filter(statuses=frozenset({"IN_TRANSIT"})), True),
        (Filter(statuses=frozenset({"5"})), True),
        (Filter(statuses=frozenset({"DELIVERED", "8"})), False),
        (Filter(statuses=frozenset()), False),
        (Filter(directions=frozenset({Direction.FORWARD})), True),
        (Filter(directions=frozenset({Direction.RTO})), False),
        (Filter(aggregators=frozenset({Aggregator.CLICKPOST})), True),
        (Filter(aggregators=frozenset({Aggregator.SHIPWAY})), False),
        (Filter(statuses=frozenset({"5"}), directions=frozenset({Direction.RTO})), False),
    ],
)
def test_every_part_of_a_filter_has_to_agree(wanted: Filter, result: bool) -> None:  # noqa: FBT001
    assert wants(wanted, update()) is result


@pytest.mark.parametrize(("codes", "result"), [(None, True), ({"5"}, True), ({"8"}, False)])
def test_an_account_passes_its_aggregators_own_codes(codes: set[str] | None, result: bool) -> None:  # noqa: FBT001
    one = replace(account(Aggregator.CLICKPOST, "k"), statuses=None if codes is None else frozenset(codes))

    assert passes(one, update()) is result


def test_a_destination_that_the_table_does_not_hold_gets_its_push_and_the_others_their_own_terms() -> None:
    one = account(Aggregator.CLICKPOST, "k", destinations=["acme/a", "acme/missing", "acme/b", "acme/a"])
    given = table(
        one,
        destinations=[
            Destination(name="acme/a", url="http://a", drop_late=True),
            Destination(name="acme/b", url="http://b", filter=Filter(statuses=frozenset({"DELIVERED"}))),
        ],
    )

    made = intake(one, Selection(one, given), (update(),), 1_000)

    assert made.updates[0].pushes == (NewPush("acme/a", drop_late=True), NewPush("acme/missing"))
    assert (made.filtered, made.unknown) == (1, 0)
    assert made.updates[0].received_at == 1_000
