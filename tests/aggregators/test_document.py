"""From bytes to a document: what is repaired, what is refused, and that the stored body is valid JSON."""

from decimal import Decimal

import msgspec
import pytest

from aggregators.bodies import CLICKPOST, SHIPROCKET, SHIPWAY, one, read
from support.rows import every_row
from trackpush_aggregators import MalformedBodyError, decode, parse
from trackpush_aggregators.document import unwrap
from trackpush_aggregators.strangers import look
from trackpush_api.vocabulary import Aggregator


def test_a_valid_body_is_kept_byte_for_byte() -> None:
    body = b'{ "waybill" : "19\\u00300" ,\n "price": 1.10, "big": 100000000000000000000000000000001, "a": 1E+2, "a": 2}'

    assert one(CLICKPOST, body).body == body


@every_row(
    ("body", "remark"),
    [
        (b'\xef\xbb\xbf{"waybill": "1", "remark": "x"}', "x"),
        ('{"waybill": "1", "remark": "é"}'.encode("utf-16"), "é"),
        (b'{"waybill": "1", "remark": "caf\xe9"}', "café"),
        (b'{"waybill": "1", "remark": "two\nlines\t\x01"}', "two\nlines\t\x01"),
        (b'{"waybill": "1", "remark": "half \\ud83d emoji"}', "half \ufffd emoji"),
        (b'{"waybill": "1", "remark": "\\udc00\\ud83d\\ude00 \\\\ud800", "x": NaN}', "\ufffd\U0001f600 \\ud800"),
        (b'{"waybill": "1", "remark": "x", "n": [NaN, Infinity, -Infinity]}', "x"),
        (b'{"waybill": "1", "remark": "x", "n": 1e99999999999999999999}', "x"),
        (b'{"waybill": "1", "remark": "x", "n": 1%s}' % (b"0" * 5000), "x"),
        (b'{"waybill": "1", "remark": "a\\u0000b"}', "a\ufffdb"),
    ],
)
def test_what_couriers_texts_break_is_repaired_and_stored_as_valid_json(body: bytes, remark: str) -> None:
    update = one(CLICKPOST, body)

    assert update.remark == remark
    msgspec.json.decode(update.body, type=dict[str, msgspec.Raw])
    update.body.decode()


def test_repaired_numbers_lose_no_digit() -> None:
    body = b'{"awb": "1", "a": 1.10, "b": 123456789012345678901234567890, "c": 1e400, "x": NaN}'

    assert one(SHIPROCKET, body).body == b'{"awb":"1","a":1.10,"b":123456789012345678901234567890,"c":"1e400","x":null}'


def test_repaired_bodies_can_be_batches() -> None:
    body = b'{"hash": "h", "status_feed": [{"awbno": "1", "current_status": "DEL"}, {"awbno": "2", "x": NaN}]}'

    assert [update.body for update in read(SHIPWAY, body).updates] == [
        b'{"hash":"[redacted]","status_feed":[{"awbno":"1","current_status":"DEL"}]}',
        b'{"hash":"[redacted]","status_feed":[{"awbno":"2","x":null}]}',
    ]


def test_numbers_are_decoded_without_loss() -> None:
    assert decode(b"[18446744073709551616, 1.10, 1e300]") == [2**64, Decimal("1.10"), Decimal("1e300")]


def test_numbers_that_no_double_holds_become_their_text() -> None:
    body = b"[1e400, -1e400, 1e-400, %s]" % (b"9" * 400)
    document, valid = unwrap(decode(body), body)

    assert document == ["1e400", "-1e400", "1e-400", "9" * 400]
    assert msgspec.json.decode(valid) == document


def test_a_number_that_is_too_large_is_found_wherever_it_is() -> None:
    for before in range(400):
        document, _ = unwrap(decode(b'{"%s": %s}' % (b"n" * before, b"9" * 309)), b"")
        assert document == {"n" * before: "9" * 309}


@every_row(
    ("awb", "text"),
    [
        (b"19041424751540", "19041424751540"),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
        (b"19041424751540.0", "19041424751540"),
        (b"1.904142475154e13", "19041424751540"),
        (b"1.5", "1.5"),
        (b'" 0019 "', "0019"),
        (b"1e999999", "1e999999"),
    ],
)
def test_an_awb_given_as_a_number_keeps_its_digits(awb: bytes, text: str) -> None:
    assert one(SHIPROCKET, b'{"awb": %s}' % awb).awb == text


@every_row(
    ("body", "said"),
    [
        (b"{", "line 1, column 2"),
        (b'{"secret": "s3cr3t",\n "b": }', "line 2, column 7"),
        (b"hash=s3cr3t&x=1", "not JSON"),
        (b"<xml>s3cr3t</xml>", "not JSON"),
        (b'{"a": 1} s3cr3t', "line 1, column 10"),
        (b"[" * 100_000, "levels deep"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "levels deep"),
        (b'\xff{"a":' * 5000, "not JSON"),
        (b'{"a": NaN, "b": %s}' % (b"[" * 5000 + b"]" * 5000), "levels deep"),
    ],
)
def test_what_is_no_json_is_refused_with_a_place_and_never_echoed(body: bytes, said: str) -> None:
    with pytest.raises(MalformedBodyError, match=said) as caught:
        decode(body)

    assert "s3cr3t" not in str(caught.value)
    assert len(str(caught.value)) < 200


@every_row("aggregator", [CLICKPOST, SHIPROCKET, SHIPWAY])
@every_row(
    "body",
    [b"7", b"1.5", b'"s3cr3t"', b"true", b'[1, "s3cr3t"]', b'[[{"awb": "1"}]]', b'"{\\"awb\\": \\"1\\"}"',
     b'[[], [[{"waybill": "1"}]]]', '"Caf\u00e9"'.encode("utf-16"), b'\xef\xbb\xbf"text"'],
)  # fmt: skip
def test_json_without_an_object_is_kept_as_it_came(aggregator: object, body: bytes) -> None:
    parsed = read(aggregator, body)  # type: ignore[arg-type]

    assert not parsed.updates
    assert [(left.body, left.names) for left in parsed.leftovers] == [(body, ())]


@every_row("aggregator", [CLICKPOST, SHIPROCKET, SHIPWAY])
@every_row("body", [b"", b"null", b"[]", b"[null]", b"[[]]", b'""', b"[{}]", b"{}", b'["", []]', b" \r\n"])
def test_json_that_holds_nothing_is_a_probe(aggregator: object, body: bytes) -> None:
    parsed = read(aggregator, body)  # type: ignore[arg-type]

    assert (parsed.updates, parsed.leftovers) == ((), ())


@every_row("aggregator", [CLICKPOST, SHIPROCKET, SHIPWAY])
def test_an_array_of_objects_is_a_batch_of_any_size(aggregator: object) -> None:
    name = {CLICKPOST: "waybill", SHIPROCKET: "awb", SHIPWAY: "awbno"}[aggregator]  # type: ignore[index]
    items = [b'{ "%s": %d, "n": 1.10}' % (name.encode(), number) for number in range(1, 1501)]

    updates = read(aggregator, b"[%s, 7, null, [], {}]" % b",".join(items)).updates  # type: ignore[arg-type]

    assert [update.awb for update in updates] == [str(number) for number in range(1, 1501)]
    assert [update.body for update in updates] == items


@every_row("aggregator", [CLICKPOST, SHIPROCKET, SHIPWAY])
def test_normalised_texts_are_bounded_and_the_body_is_not(aggregator: object) -> None:
    long = "x" * 100_000
    names = ("waybill", "awb", "awbno", "order_id", "remark", "location", "courier_name", "carrier", "current_status")
    body = dict.fromkeys(names, long) | {"scans": [{"activity": long, "status": long, "location": long}]}

    update = one(aggregator, body)  # type: ignore[arg-type]

    texts = (update.awb, update.shipment, update.order_id, update.location, update.courier, *update.codes)
    assert all(text is None or len(text) <= 256 for text in texts)
    assert len(update.remark or "") <= 2048
    assert update.awb == long[:256]
    assert len(update.body) > 300_000


@every_row("aggregator", Aggregator)
def test_a_deep_value_that_a_second_member_of_its_name_replaces_is_refused_or_read(aggregator: Aggregator) -> None:
    """The decoder meets the deep value, the decoded document does not show it, and later readers meet it again."""
    refused = 0
    for depth in range(700, 1000):
        deep = b"[" * depth + b"]" * depth
        for item in (b'{"a":%b,"a":1}' % deep, b'{"status_feed":[{"a":%b,"a":1}]}' % deep):
            body = b"[%b]" % item
            try:
                document = decode(body)
                parse(aggregator, document, body, key="k", received_at=0)
                look(aggregator, document, body, received_at=0)
            except MalformedBodyError as error:
                assert "nested" in str(error)  # noqa: PT017  most are read
                refused += 1
    assert refused
