"""Who gets an update: the account's codes, and the filter of each destination."""

from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from support.bodies import body
from support.deadline import until
from support.serving import account, serving, table
from support.sink import open_sink
from trackpush_aggregators import decode, parse
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.routing import Destination, Filter
from trackpush_api.vocabulary import Aggregator, Direction
from trackpush_server.journal.model import NewPush
from trackpush_server.receiver.filters import FilterFailure, FilterSelection, passes, wants
from trackpush_server.receiver.intake import intake


def update() -> TrackingUpdate:
    """In transit, forward, Clickpost's code 5."""
    content = body("clickpost", mark=1, shipment=1, second=1)
    return parse(Aggregator.CLICKPOST, decode(content), content, key=None, received_at=1_790_000_000_000).updates[0]


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

    made = intake(one, FilterSelection(one, given), (update(),), 1_000, nonce=bytes)

    assert made.updates[0].pushes == (NewPush("acme/a", drop_late=True), NewPush("acme/missing"))
    assert (made.filtered, made.unknown) == (1, ())
    assert made.updates[0].received_at == 1_000


def chosen(expression: str, update: TrackingUpdate) -> tuple[bool, list[FilterFailure]]:
    """Whether a destination with this expression gets the update, and what failed."""
    wanted = Filter(expression=expression)
    given = table(
        account(Aggregator.CLICKPOST, "k", destinations=["acme/a"]),
        destinations=[Destination(name="acme/a", url="http://a", filter=wanted)],
    )
    failures: list[FilterFailure] = []
    pushes = FilterSelection(given.accounts[0], given).of(update, 1_700_000_000_000, failures)
    return bool(pushes), failures


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("status.code == 'IN_TRANSIT' && shipment.direction == 'forward'", True),
        ("status.aggregatorCode == '5' && aggregator == 'clickpost' && type == 'shipment.in_transit'", True),
        ("status.terminal || test", False),
        ("occurredAtKnown && occurredAt > timestamp('2020-01-01T00:00:00Z')", True),
        ("receivedAt == timestamp('2023-11-14T22:13:20Z')", True),
        ("raw.clickpost_status_code == 5", True),
        ("has(raw.nothing)", False),
        ("shipment.forwardAwb == '' && status.ndrReason == ''", True),
    ],
)
def test_an_expression_decides_over_the_canonical_notification_and_the_body(expression: str, result: bool) -> None:  # noqa: FBT001
    assert chosen(expression, update()) == (result, [])


def test_an_expression_and_the_other_parts_have_to_agree() -> None:
    one = account(Aggregator.CLICKPOST, "k", destinations=["acme/a"])
    wanted = Filter(statuses=frozenset({"DELIVERED"}), expression="true")
    given = table(one, destinations=[Destination(name="acme/a", url="http://a", filter=wanted)])
    assert intake(one, FilterSelection(one, given), (update(),), 1_000, nonce=bytes).filtered == 1


def test_an_expression_without_an_answer_loses_nothing_and_says_so_without_the_update() -> None:
    assert chosen("raw.nothing == 5", update()) == (
        True, [FilterFailure("acme/a", "a key is missing; check with has() first")]
    )  # fmt: skip
    unknown = replace(update(), occurred_at=None)
    result, failures = chosen("occurredAt < receivedAt", unknown)
    assert (result, len(failures)) == (True, 1)
    result, failures = chosen("raw.big == 5", replace(update(), body=b'{"big": 123456789012345678901234567890}'))
    assert (result, len(failures)) == (True, 1)


@pytest.mark.parametrize("body_", [b'{"a": "' + b"x" * 20_000 + b'"}', b'{"a": [' + b"1," * 2000 + b"1]}"])
def test_a_body_beyond_the_bounds_of_the_cost_is_not_looked_into(body_: bytes) -> None:
    result, failures = chosen("has(raw.a)", replace(update(), body=body_))
    assert (result, len(failures)) == (True, 1)


def test_an_expression_that_another_version_wrote_loses_nothing() -> None:
    result, failures = chosen("nonsense of a later version", update())
    assert (result, failures[0].reason) == (True, "this version of the server can't compile the expression")


def test_what_the_other_parts_drop_is_not_evaluated() -> None:
    wanted = Filter(statuses=frozenset({"DELIVERED"}), expression="raw.nothing == 5")
    one = account(Aggregator.CLICKPOST, "k", destinations=["acme/a"])
    given = table(one, destinations=[Destination(name="acme/a", url="http://a", filter=wanted)])
    assert intake(one, FilterSelection(one, given), (update(),), 1_000, nonce=bytes).failures == ()


async def test_the_failures_of_an_expression_are_counted_and_its_pushes_arrive(tmp_path: Path) -> None:
    async with open_sink() as sink, aiohttp.ClientSession() as session:
        wanted = Filter(expression="raw.nothing == 5")
        given = table(
            account(Aggregator.CLICKPOST, "k"),
            destinations=[Destination(name="acme/push", url=sink.url, filter=wanted)],
        )
        async with serving(tmp_path, given) as server:
            url = f"http://{server.address}/rms/in/api/clickpost/notify?key=k"
            for mark in (1, 2):
                await session.post(url, data=body("clickpost", mark=mark, shipment=mark, second=1))
            await until(lambda: sink.marks == {1, 2}, seconds=5, what="both pushes")
            async with session.get(f"http://{server.admin_address}/metrics") as answer:
                assert 'trackpush_filter_expression_errors_total{push_config="acme/push"} 2.0' in await answer.text()
