"""What a definition removes from bodies before they are stored and forwarded."""

from typing import Any

import msgspec
import pytest

from aggregators.definition_helpers import one, read, reader

STEPS = {
    "updates": [{"as": "shipment", "in": "body.data.shipments"}, {"as": "scan", "in": "shipment.scans"}],
    "fields": {"awb": "shipment.awb", "occurredAt": "scan.at"},
    "status": {"code": "scan.code"},
}


@pytest.mark.parametrize(
    ("redact", "body", "expected"),
    [
        ("phone", b'{"awb": "1", "phone": "99", "x": 1.10}', b'{"awb":"1","phone":"[redacted]","x":1.10}'),
        ("phone", b'{"awb": "1",  "x": 1.10}', b'{"awb": "1",  "x": 1.10}'),
        ("phone", b'{"awb":"1","phone":""}', b'{"awb":"1","phone":""}'),
        ("phone", b'{"awb":"1","phone":null}', b'{"awb":"1","phone":null}'),
        ("phone", b'{"awb":"1","phone":"99","phone":""}', b'{"awb":"1","phone":""}'),
        ("phone", b'{"awb":"1","ph\\u006fne":"99"}', b'{"awb":"1","phone":"[redacted]"}'),
        ("phone", b'{"awb":"1","phone":{"a":[1]}}', b'{"awb":"1","phone":"[redacted]"}'),
        ("body.r.phone", b'{"awb":"1","r":{"phone":9,"b":1}}', b'{"awb":"1","r":{"phone":"[redacted]","b":1}}'),
        ("r.phone", b'{"awb":"1","r":[{"phone":9},{}]}', b'{"awb":"1","r":[{"phone":"[redacted]"},{}]}'),
        ("r[0].phone", b'{"awb":"1","r":[{"phone":9},{}]}', b'{"awb":"1","r":[{"phone":"[redacted]"},{}]}'),
        ("r.phone", b'{"awb":"1","r":"phone"}', b'{"awb":"1","r":"phone"}'),
        ('r["a.b"]', b'{"awb":"1","r":{"a.b":1}}', b'{"awb":"1","r":{"a.b":"[redacted]"}}'),
    ],
)
def test_a_marker_replaces_the_value_and_the_rest_keeps_its_bytes(redact: str, body: bytes, expected: bytes) -> None:
    assert one(reader(redact=[redact]), body).body == expected


def test_members_of_steps_are_removed_from_every_element_and_from_what_is_not_recognised() -> None:
    defined = reader(redact=["shipment.rider.phone", "scan.otp", "body.token"], **STEPS)
    secret = {"rider": {"phone": "99"}, "scans": [{"code": "DL", "otp": "1234"}, {"code": "UD", "otp": "77"}]}
    body = {"token": "t-1", "data": {"shipments": [secret | {"awb": "1"}, secret]}}
    parsed = read(defined, body)
    scans = [{"code": "DL", "otp": "[redacted]"}, {"code": "UD", "otp": "[redacted]"}]
    clean = {"rider": {"phone": "[redacted]"}, "scans": scans}
    assert [msgspec.json.decode(update.body) for update in parsed.updates] == [clean | {"awb": "1"}] * 2
    assert [msgspec.json.decode(left.body) for left in parsed.leftovers] == [{"data": {"shipments": [clean]}}]
    (whole,) = read(defined, {"token": "t-1", "data": {"shipments": [secret]}}).leftovers
    assert msgspec.json.decode(whole.body) == {"token": "[redacted]", "data": {"shipments": [clean]}}


def test_a_picture_of_megabytes_is_not_kept() -> None:
    picture = "A" * 3_000_000
    body: Any = {"data": {"shipments": {"awb": "1", "pod": picture, "scans": {"code": "DL"}}}}
    update = one(reader(redact=["shipment.pod"], **STEPS), body)
    assert update.body == b'{"awb":"1","pod":"[redacted]","scans":{"code":"DL"}}'


def test_an_unrecognised_element_can_be_parsed_again_by_a_later_definition() -> None:
    body = {"data": {"shipments": [{"awb": "1", "scans": {"code": "DL"}}, {"number": "2", "scans": {"code": "DL"}}]}}
    (left,) = read(reader(**STEPS), body).leftovers
    later = reader(**STEPS | {"fields": {"awb": ["shipment.awb", "shipment.number"], "occurredAt": "scan.at"}})
    assert one(later, left.body).awb == "2"


def test_a_name_that_ends_in_a_star_means_all_members_that_begin_so() -> None:
    defined = reader(redact=["rider_*", "crew.phone*"])
    body = {"awb": "1", "rider_name": "R", "rider_phone": "99", "rid": 1, "crew": [{"phone2": "98", "team": "A"}]}

    assert msgspec.json.decode(one(defined, body).body) == {
        "awb": "1",
        "rider_name": "[redacted]",
        "rider_phone": "[redacted]",
        "rid": 1,
        "crew": [{"phone2": "[redacted]", "team": "A"}],
    }
    untouched = b'{"awb": "1",  "rid": 1}'
    assert one(defined, untouched).body is untouched


def test_an_element_that_is_not_an_object_is_kept_beside_the_updates() -> None:
    body = {"data": {"shipments": [{"awb": "1", "scans": {"code": "DL"}}, "text", None, ["7"]]}}
    parsed = read(reader(**STEPS), body)
    assert [update.awb for update in parsed.updates] == ["1"]
    assert [left.body for left in parsed.leftovers] == [
        b'{"data":{"shipments":["text"]}}',
        b'{"data":{"shipments":[["7"]]}}',
    ]
