"""Event times become UTC as each aggregator means them."""

from datetime import UTC, datetime, timedelta

from msgspec import UNSET

from aggregators.bodies import CLICKPOST, NOW, SHIPROCKET, SHIPWAY, clickpost, one, sample, shiprocket, shipway
from support.rows import every_row
from trackpush_aggregators.updates import notification

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
    *(None, True, [], {}, {"a": 1}, -1, 10**400, 1.5, "2025-06-11T02:55:34+99:00"),
]


def occurred(update: object) -> str | None:
    return notification(update, 0).occurred_at  # type: ignore[arg-type]


@every_row(
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


@every_row("code", [101, 102, "102", 103, 106])
def test_a_clickpost_return_request_is_in_utc(code: object) -> None:
    update = one(CLICKPOST, clickpost(clickpost_status_code=code, timestamp="2019-05-06T10:04:20Z"))

    assert occurred(update) == "2019-05-06T10:04:20Z"


@every_row(
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


@every_row(
    ("written", "utc"),
    [
        ("2025-06-11 02:55:34", "2025-06-10T21:25:34Z"),
        ("2025-06-11T02:55:34Z", "2025-06-11T02:55:34Z"),
        ("2025-06-11T02:55:34+05:30", "2025-06-10T21:25:34Z"),
    ],
)
def test_a_shipway_time_is_in_ist_unless_it_names_its_zone(written: str, utc: str) -> None:
    assert occurred(one(SHIPWAY, shipway(status_time=written))) == utc


@every_row("written", NO_TIMES)
def test_what_is_not_a_time_leaves_the_update_without_one(written: object) -> None:
    for update in (
        one(CLICKPOST, clickpost(timestamp=written)),
        one(SHIPROCKET, shiprocket(current_timestamp=written)),
        one(SHIPWAY, shipway(status_time=written)),
    ):
        assert update.occurred_at is None


ZERO = [
    "Z",
    "z",
    "+0000",
    "+00:00",
    "-00:00",
    "-0000",
    "+00",
    "-00",
    "+0",
    " +0000",
    " +00:00",
    " UTC",
    "UTC",
    " utc",
    " GMT",
    "GMT",
    " UT",
    " Z",
    " GMT+0",
    " GMT+00:00",
    " UTC+0000",
    "+00:00:00",
    "\u221200:00",
    " (UTC)",
    " +0000 (UTC)",
    " Zulu",
    " Etc/UTC",
]


@every_row("zero", ZERO)
@every_row("second", ["20", "20.000", "20.123456"])
def test_every_way_to_write_no_offset_means_what_z_means(zero: str, second: str) -> None:
    written, plain = f"2026-06-02T10:04:{second}{zero}", f"2026-06-02T10:04:{second}Z"

    def times(text: str) -> list[int | None]:
        return [
            one(CLICKPOST, clickpost(timestamp=text)).occurred_at,
            one(CLICKPOST, clickpost(timestamp=text, clickpost_status_code=101)).occurred_at,
            one(SHIPROCKET, shiprocket(current_timestamp=text)).occurred_at,
            one(SHIPWAY, shipway(status_time=text)).occurred_at,
        ]

    assert times(written) == times(plain)
    assert None not in times(plain)


FORMS = [
    ("2024-10-26T08:11:00+05:30[Asia/Kolkata]", "2024-10-26T08:11:00"),
    ("2024-10-26T08:11:00[Asia/Kolkata]", "2024-10-26T08:11:00"),
    ("/Date(1729910460000)/", "2024-10-26T08:11:00"),
    ("/Date(1729910460000+0530)/", "2024-10-26T08:11:00"),
    ("\uff12\uff10\uff12\uff14-10-26 08:11:00", "2024-10-26T08:11:00"),
    ("26\u201310\u20132024 08:11", "2024-10-26T08:11:00"),
    ("2024\u201110\u201126 08:11:00", "2024-10-26T08:11:00"),
    ("\u200e26/10/2024\u200f 08:11", "2024-10-26T08:11:00"),
    ("26th Oct 2024 08:11 AM", "2024-10-26T08:11:00"),
    ("26 Oct 2024, 08:11 am", "2024-10-26T08:11:00"),
    ("1st January 2025 12:00 AM", "2025-01-01T00:00:00"),
    ("2nd feb 2025 12:30 p.m.", "2025-02-02T12:30:00"),
    ("3RD MARCH 2025 at 1:05PM", "2025-03-03T13:05:00"),
    ("Oct 26, 2024 8:11:09 PM", "2024-10-26T20:11:09"),
    ("October 26th, 2024 20:11", "2024-10-26T20:11:00"),
    ("Sat, 26 Oct 2024 08:11:09 +0530", "2024-10-26T08:11:09"),
    ("Saturday, October 26, 2024 8:11:09 PM", "2024-10-26T20:11:09"),
    ("26-Oct-24 08.11.09 PM", "2024-10-26T20:11:09"),
    ("26-OCT-2024", "2024-10-26T00:00:00"),
    ("26Oct2024 0811", "2024-10-26T08:11:00"),
    ("26 Sept 2024", "2024-09-26T00:00:00"),
    ("26/10/2024 08:11", "2024-10-26T08:11:00"),
    ("26.10.24 08:11:09", "2024-10-26T08:11:09"),
    ("26-10-2024T08:11:09.123456", "2024-10-26T08:11:09.123"),
    ("10/26/2024 08:11 AM", "2024-10-26T08:11:00"),
    ("05/06/2026 08:11", "2026-06-05T08:11:00"),
    ("2024/10/26 8:11", "2024-10-26T08:11:00"),
    ("2024.10.26 08:11:09,5", "2024-10-26T08:11:09.500"),
    ("20241026T081109", "2024-10-26T08:11:09"),
    ("20241026081109", "2024-10-26T08:11:09"),
    ("Sat Oct 26 08:11:09 IST 2024", "2024-10-26T08:11:09"),
    ("Sat Oct 26 2024 08:11:09 GMT+0530 (India Standard Time)", "2024-10-26T08:11:09"),
    ("26 Oct '24 08:11", "2024-10-26T08:11:00"),
    ("08:11 PM, 26 Oct 2024", "2024-10-26T20:11:00"),
    ("26 October 2024 14:30 hrs", "2024-10-26T14:30:00"),
    ("26/10/2024 14:30 PM", "2024-10-26T14:30:00"),
    ("26/10/2024 24:00", "2024-10-27T00:00:00"),
    ("2024-10-26 8 PM", "2024-10-26T20:00:00"),
]


@every_row(("written", "india"), FORMS)
def test_a_time_is_read_in_whatever_form_it_is_written(written: str, india: str) -> None:
    expected = int(datetime.fromisoformat(f"{india}+05:30").timestamp() * 1000)
    for update in (
        one(CLICKPOST, clickpost(timestamp=written)),
        one(SHIPROCKET, shiprocket(current_timestamp=written)),
        one(SHIPROCKET, shiprocket(current_timestamp="NA", scans=[{"date": written}])),
        one(SHIPWAY, shipway(status_time=written)),
    ):
        assert update.occurred_at == expected
    for update in (
        one(SHIPROCKET, shiprocket(etd=written)),
        one(SHIPWAY, shipway(api_input={"expected_delivery_date": written})),
        one(CLICKPOST, clickpost(additional={"courier_partner_edd": written})),
    ):
        assert update.estimated_delivery == (india[:10] if "24:00" not in written else "2024-10-27")


@every_row("number", [1747000000, 1747000000000, "1747000000", "1747000000000000", 1747000000.0])
def test_seconds_since_the_epoch_are_utc_everywhere(number: object) -> None:
    for update in (
        one(CLICKPOST, clickpost(timestamp=number)),
        one(SHIPROCKET, shiprocket(current_timestamp=number)),
        one(SHIPWAY, shipway(status_time=number)),
    ):
        assert update.occurred_at == 1747000000000


@every_row(
    "written",
    [
        "26/10/2024 13:05 AM",
        "31/02/2024",
        "13/13/2024",
        "Oct 2024",
        "26 Oct 08:11 AM",
        "2024-10-26 25:00",
        "26 Oct 2024 08:61",
        "12:30",
        "1" * 64,
        "26 Oct 2024" * 9,
        "2024-10-26 8:11:-06",
        "2024-10-26x08:11:06",
        "2024-10-26T08:-1:06",
        "2024-W43-6 08:11:06",
        "26 13 2024 08:11:06",
        "2024-10-26 08:1\u0661:06",
    ],
)
def test_what_names_no_moment_is_not_guessed(written: str) -> None:
    assert one(SHIPWAY, shipway(status_time=written)).occurred_at is None


def test_a_time_more_than_a_day_after_receipt_is_not_accepted_and_its_text_is_kept() -> None:
    for ahead, accepted in ((-1, True), (0, True), (1, False), (3_600, False), (86_400 * 365 * 10, False)):
        moment = NOW // 1000 + 86_400 + ahead
        india = datetime.fromtimestamp(moment, UTC) + timedelta(hours=5, minutes=30)
        for written in (
            india.strftime("%Y-%m-%d %H:%M:%S"),
            india.strftime("%d %m %Y %H:%M:%S"),
            str(moment),
            moment * 1000,
        ):
            for update in (
                one(CLICKPOST, clickpost(timestamp=written)),
                one(SHIPROCKET, shiprocket(current_timestamp=written)),
                one(SHIPROCKET, shiprocket(current_timestamp=None, scans=[{"date": written}])),
                one(SHIPWAY, shipway(status_time=written)),
                one(SHIPWAY, shipway(status_time=None, scans=[{"time": written}])),
            ):
                told = notification(update, NOW)
                assert update.occurred_at == (moment * 1000 if accepted else None)
                assert told.occurred_at_text == (UNSET if accepted else str(written))


def test_where_the_best_time_is_in_the_future_the_next_one_counts() -> None:
    scans = [{"date": "2026-06-01 10:00:00"}]
    update = one(SHIPROCKET, shiprocket(current_timestamp="02 06 2036 10:00:00", scans=scans))
    other = one(SHIPWAY, shipway(status_time="2036-06-02 10:00:00", scans_current_status_time="2026-06-01 10:00:00"))

    assert occurred(update) == occurred(other) == "2026-06-01T04:30:00Z"


@every_row(
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
