"""Shipway: the classic feed, the panel event and the shapes beside them."""

import hashlib

import msgspec

from aggregators.bodies import SHIPWAY, one, read, sample, shipway
from support.rows import every_row
from trackpush_aggregators import body_key, decode
from trackpush_api.vocabulary import Direction, Status

HASH = hashlib.md5(b"ops@example.test:demo-license-key", usedforsecurity=False).hexdigest()


def test_a_feed_gives_an_update_for_each_item_with_a_body_of_its_own() -> None:
    items = [shipway(awbno=str(number), price=1.5) for number in range(3)]
    body = b'{"hash": "%s", "status_feed": [%s], "n": 1.10}' % (
        HASH.encode(),
        b", ".join(msgspec.json.encode(item) for item in items),
    )

    updates = read(SHIPWAY, body).updates

    assert [update.awb for update in updates] == ["0", "1", "2"]
    for update, item in zip(updates, items, strict=True):
        expected = b'{"hash":"[redacted]","status_feed":[%s]}' % msgspec.json.encode(item)
        assert update.body == expected


def test_a_feed_of_one_item_keeps_what_else_came_with_it() -> None:
    body = b'{"hash":"x","n":1.10,"status_feed":[{"awbno":"1"}],"m":null}'

    assert one(SHIPWAY, body).body == b'{"hash":"[redacted]","n":1.10,"status_feed":[{"awbno":"1"}],"m":null}'


def test_a_large_envelope_is_not_multiplied_by_the_items_of_its_feed() -> None:
    body = {"hash": "h" * 500_000, "x": "x" * 500_000, "status_feed": [shipway(awbno=str(n)) for n in range(1, 1000)]}

    assert max(len(update.body) for update in read(SHIPWAY, body).updates) < 200


@every_row("wrap", [lambda item: [item], lambda item: {"0": item}, lambda item: item])
def test_a_feed_may_be_an_array_an_indexed_object_or_one_bare_item(wrap: object) -> None:
    item = shipway(scans={"0": {"status": "x"}})

    update = one(SHIPWAY, {"hash": HASH, "status_feed": wrap(item)})  # type: ignore[operator]

    assert update.awb == "1900"
    assert update.body == msgspec.json.encode({"hash": "[redacted]", "status_feed": [item]})


def test_an_indexed_feed_is_in_the_order_of_its_numbers() -> None:
    feed = {str(number): shipway(awbno=str(number)) for number in (10, 9, 2)}

    assert [update.awb for update in read(SHIPWAY, {"status_feed": feed}).updates] == ["2", "9", "10"]


def test_items_of_a_feed_that_name_no_shipment_are_passed_over() -> None:
    updates = read(SHIPWAY, {"status_feed": [{}, None, 7, [], shipway(), {"awbno": ""}]}).updates

    assert [update.awb for update in updates] == ["1900"]


@every_row("feed", [[], {}, None, "", 0, [None]])
def test_an_empty_feed_is_a_probe(feed: object) -> None:
    assert not read(SHIPWAY, {"hash": HASH, "status_feed": feed}).identified


@every_row(
    ("body", "key"),
    [
        ({"hash": HASH, "status_feed": []}, HASH),
        ({"status_feed": [{"hash": HASH}]}, HASH),
        ({"status_feed": {"hash": HASH}}, HASH),
        ([{"hash": f" {HASH} "}], HASH),
        ({"hash": ""}, None),
        ({"hash": 7}, None),
        ({"hash": None}, None),
        ({"hash": {"a": 1}}, None),
        ({}, None),
        ([[]], None),
        (None, None),
        ("x", None),
    ],
)
def test_the_key_in_the_body_is_the_hash(body: object, key: str | None) -> None:
    assert body_key(SHIPWAY, decode(msgspec.json.encode(body))) == key


def test_a_return_has_the_reverse_awb_and_keeps_the_forward_one_as_its_line() -> None:
    update = one(SHIPWAY, sample("shipway/10_panel_return_picked_up.json"))

    assert (update.awb, update.forward_awb) == ("0019000000009301", "19000000003201")
    assert update.shipment == "19000000003201"


def test_a_reverse_number_on_a_forward_delivery_proves_nothing() -> None:
    update = one(SHIPWAY, sample("shipway/15_panel_dummy_sample.json"))

    assert (update.direction, update.awb, update.forward_awb) == (Direction.FORWARD, "12345678901234", None)


def test_a_reverse_number_keeps_all_its_digits() -> None:
    body = b'{"awbno": "1900", "current_status": "RPKP", "reverse_tracking_number": 123456789012345678901234567890}'

    assert one(SHIPWAY, body).awb == "123456789012345678901234567890"


@every_row(
    ("body", "status"),
    [
        ({"order_id": "1", "current_status_code": "DEL", "current_status": "In Transit"}, Status.DELIVERED),
        ({"order_id": "1", "api_input": {"current_status": "RTD"}}, Status.RTO_DELIVERED),
        ({"order_id": "1", "current_status": "At hub", "api_input": {"current_status": "INT"}}, Status.IN_TRANSIT),
        ({"order_id": "1", "current_status": "Delivered"}, Status.DELIVERED),
        ({"order_id": "1", "current_status_desc": "RTO Delivered"}, Status.RTO_DELIVERED),
        ({"order_id": "1", "current_status": "XXX", "current_status_desc": "Delivered"}, Status.UNKNOWN),
        ({"order_id": "1", "current_status": "Pickup Failed"}, Status.UNKNOWN),
        ({"order_id": "1", "current_status": "Delivered to the neighbour"}, Status.UNKNOWN),
        ({"awb": "1900", "status": "OOD", "timestamp": "2025-06-11T02:55:34Z"}, Status.OUT_FOR_DELIVERY),
        ({"awb": "1900", "status": 1}, Status.DELIVERED),
        ({"awb": "1900"}, Status.UNKNOWN),
    ],
)  # fmt: skip
def test_the_code_is_found_wherever_a_format_puts_it(body: dict[str, object], status: Status) -> None:
    assert one(SHIPWAY, body).status is status


@every_row(
    ("code", "direction"),
    [("RXYZ", "reverse"), ("RTOX", "rto"), ("XYZ", "forward"), ("RAD", "forward"), ("Raining today", "forward")],
)
def test_a_new_code_has_the_direction_of_its_prefix(code: str, direction: str) -> None:
    assert one(SHIPWAY, shipway(current_status=code)).direction == direction


def test_the_sw_x_shape_is_read() -> None:
    body = {
        "awb": "1900",
        "status": "OOD",
        "location": "Pune",
        "remarks": "On its way",
        "timestamp": "2025-06-11T02:55:34Z",
    }

    update = one(SHIPWAY, body)

    assert (update.location, update.remark, update.occurred_at) == ("Pune", "On its way", 1749610534000)


@every_row("code", ["DEL", "1", 1])
def test_a_code_can_be_filtered_on_in_letters_and_numbers(code: object) -> None:
    assert {"DEL", "1", "Delivered"} <= set(one(SHIPWAY, shipway(current_status=code)).codes)


def test_scans_keyed_by_index_are_in_numeric_order() -> None:
    scans = {str(place): {"time": f"2025-06-{28 - place} 10:00:00", "location": str(place)} for place in range(12)}

    assert one(SHIPWAY, shipway(api_input={"scans": scans})).location == "0"
