"""Event times become UTC as each aggregator means them."""

import pytest

from aggregators.bodies import CLICKPOST, SHIPROCKET, SHIPWAY, clickpost, one, sample, shiprocket, shipway
from trackpush_server.updates import notification

NO_TIMES: list[object] = [
    *("0000-00-00 00:00:00", "0000-00-00", "-0001-11-30 00:00:00", "1970-01-01 05:30:00", "99999-01-01 00:00:00"),
    *(
        "2025-13-01 00:00:00",
        "9999-12-31 23:59:59",
        "yesterday",
        "",
        "NA",
        "null",
        "\x00",
        "\u0662\u0660\u0662\u0665-01-01",
    ),
    *(None, True, [], {}, {"a": 1}, -1, 10**400, 1.5, 1747000000, "2025-06-11T02:55:34+99:00"),
]


def occurred(update: object) -> str | None:
    return notification(update, 0).occurred_at  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2019-05-06T10:04:20Z", "2019-05-06T04:34:20Z"),
        ("2018-08-06T14:48:57.002000Z", "2018-08-06T09:18:57.002Z"),
        ("2016-07-12T17:12:36.710", "2016-07-12T11:42:36.710Z"),
        ("2019-04-29 07:47:07.161221", "2019-04-29T02:17:07.161Z"),
        ("2022-11-09T11:00:48.702402Z", "2022-11-09T05:30:48.702Z"),
        ("2019-05-06T10:04:20+05:30", "2019-05-06T04:34:20Z"),
        ("2019-05-06T10:04:20+00:00", "2019-05-06T04:34:20Z"),
        ("2019-05-06T10:04:20+01:00", "2019-05-06T09:04:20Z"),
    ],
)
def test_a_clickpost_scan_is_in_ist_although_it_ends_in_z(written: str, utc: str) -> None:
    update = one(CLICKPOST, clickpost(timestamp=written))

    assert occurred(update) == utc
    assert update.occurred_at_text == written


@pytest.mark.parametrize("code", [101, 102, "102", 103, 106])
def test_a_clickpost_return_request_is_in_utc(code: object) -> None:
    update = one(CLICKPOST, clickpost(clickpost_status_code=code, timestamp="2019-05-06T10:04:20Z"))

    assert occurred(update) == "2019-05-06T10:04:20Z"


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("23 05 2023 11:43:52", "2023-05-23T06:13:52Z"),
        ("2023-05-19 11:59:16", "2023-05-19T06:29:16Z"),
        ("23-05-2023 11:43:52", "2023-05-23T06:13:52Z"),
        ("3/5/2023 1:03", "2023-05-02T19:33:00Z"),
    ],
)
def test_a_shiprocket_time_is_in_ist(written: str, utc: str) -> None:
    assert occurred(one(SHIPROCKET, shiprocket(current_timestamp=written))) == utc


def test_a_shiprocket_event_without_a_readable_time_has_its_last_scans() -> None:
    scans = [{"date": "2023-05-19 11:59:16"}, {"date": "2023-05-20 11:59:16"}]

    update = one(SHIPROCKET, shiprocket(current_timestamp="NA", scans=scans))

    assert occurred(update) == "2023-05-20T06:29:16Z"
    assert update.occurred_at_text == "2023-05-20 11:59:16"


@pytest.mark.parametrize(
    ("written", "utc"),
    [
        ("2025-06-11 02:55:34", "2025-06-10T21:25:34Z"),
        ("2025-06-11T02:55:34Z", "2025-06-11T02:55:34Z"),
        ("2025-06-11T02:55:34+05:30", "2025-06-10T21:25:34Z"),
    ],
)
def test_a_shipway_time_is_in_ist_unless_it_names_its_zone(written: str, utc: str) -> None:
    assert occurred(one(SHIPWAY, shipway(status_time=written))) == utc


@pytest.mark.parametrize("written", NO_TIMES)
def test_what_is_no_time_leaves_the_update_without_one(written: object) -> None:
    for update in (
        one(CLICKPOST, clickpost(timestamp=written)),
        one(SHIPROCKET, shiprocket(current_timestamp=written)),
        one(SHIPWAY, shipway(status_time=written)),
    ):
        assert update.occurred_at is None


@pytest.mark.parametrize(
    ("written", "day"),
    [("2025-06-14", "2025-06-14"), ("2025-06-14 23:59:59", "2025-06-14"), ("0000-00-00", None), ("NA", None), (7, None),
     ("9999-12-31", None), ("soon", None), ({}, None)],
)  # fmt: skip
def test_the_estimated_delivery_is_a_date_or_nothing(written: object, day: str | None) -> None:
    for update in (
        one(CLICKPOST, clickpost(additional={"courier_partner_edd": written})),
        one(SHIPROCKET, shiprocket(etd=written)),
        one(SHIPWAY, shipway(expected_delivery_date=written)),
    ):
        assert update.estimated_delivery == day


def test_samples_have_the_times_of_their_aggregators_zone() -> None:
    assert occurred(one(CLICKPOST, sample("clickpost/11_return_order_placed.json"))) == "2025-06-19T07:47:07.161Z"
    assert occurred(one(SHIPROCKET, sample("shiprocket/01_in_transit.json"))) == "2025-06-13T06:13:52Z"
    assert occurred(one(SHIPWAY, sample("shipway/01_classic_single_ood.json"))) == "2025-06-13T08:11:00Z"
