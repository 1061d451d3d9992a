"""What makes an update the same one again, and what does not (docs/aggregators/reference.md, §4.3)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregators.bodies import CLICKPOST, SHIPROCKET, SHIPWAY, clickpost, one, read, sample, shiprocket, shipway
from support.examples import examples
from support.rows import every_row
from trackpush_aggregators.updates import TrackingUpdate, occurrence_key, update_key
from trackpush_api.vocabulary import Aggregator, Direction, Status

SCANS = [{"date": "2023-05-23 11:00:00", "status": "X-1"}, {"date": "2023-05-23 11:43:46", "status": "X-2"}]


@every_row(
    "change",
    [{"waybill": "1901"}, {"cp_id": 5}, {"clickpost_status_code": 6}, {"timestamp": "2025-06-11T02:55:35Z"},
     {"status": "OFD"}, {"location": "Pune"}, {"additional": {"notification_event_id": 17}}],
)  # fmt: skip
def test_every_part_of_a_clickpost_identity_makes_another_update(change: dict[str, object]) -> None:
    plain, changed = one(CLICKPOST, clickpost()), one(CLICKPOST, clickpost(**change))

    assert plain.identity != changed.identity
    assert update_key("a/b", plain) != update_key("a/b", changed)


@every_row(
    "change",
    [{"remark": "x"}, {"cp_id": "4"}, {"clickpost_status_code": "5"}, {"waybill": 1900}, {"new_key": 1},
     {"additional": {"latest_status": {"status": "Delivered", "clickpost_status_code": 8}}}],
)  # fmt: skip
def test_nothing_else_makes_another_clickpost_update(change: dict[str, object]) -> None:
    assert one(CLICKPOST, clickpost()).identity == one(CLICKPOST, clickpost(**change)).identity


def test_the_identity_of_a_sample_is_as_the_reference_lists_it() -> None:
    assert one(CLICKPOST, sample("clickpost/03_delivered_selected.json")).identity == (
        *("19000000000101", "4", "8", "2025-06-12T15:01:00Z", "Delivered", "Mumbai_MiraRd_D (Maharashtra)", "5"),
    )
    assert one(SHIPROCKET, sample("shiprocket/02_delivered.json")).identity == (
        *("19000000001101", "7", "7", "2025-06-14 14:02:11", "EOD-38"),
    )
    assert one(SHIPWAY, sample("shipway/05_panel_delivered.json")).identity == (
        *("SO-300201", "19000000003201", "DEL", "2025-06-14 15:00:00"),
    )


@every_row(
    "change",
    [{"awb": "1901"}, {"current_status_id": 19}, {"shipment_status_id": 17}, {"scans": SCANS[:1]},
     {"scans": [*SCANS, {"date": "2023-05-23 11:43:46", "status": "X-3"}]}],
)  # fmt: skip
def test_every_part_of_a_shiprocket_identity_makes_another_update(change: dict[str, object]) -> None:
    body = shiprocket(current_status_id=20, shipment_status_id=18, scans=SCANS)

    assert one(SHIPROCKET, body).identity != one(SHIPROCKET, body | change).identity


def test_with_scans_a_shiprocket_repeat_may_be_stamped_again() -> None:
    first = one(SHIPROCKET, shiprocket(scans=SCANS))
    repeat = one(SHIPROCKET, shiprocket(scans=SCANS, current_timestamp="23 05 2023 11:59:59"))

    assert update_key("a/b", first) == update_key("a/b", repeat)
    assert first.occurred_at != repeat.occurred_at


def test_without_scans_shiprockets_stamp_distinguishes_updates() -> None:
    first = one(SHIPROCKET, shiprocket())
    other = one(SHIPROCKET, shiprocket(current_timestamp="23 05 2023 11:59:59"))

    assert update_key("a/b", first) != update_key("a/b", other)


@every_row(
    "change",
    [{"order_id": "SO-2"}, {"awbno": "1901"}, {"current_status": "DEL"}, {"status_time": "2025-06-11 02:55:35"}],
)  # fmt: skip
def test_every_part_of_a_shipway_identity_makes_another_update(change: dict[str, object]) -> None:
    assert one(SHIPWAY, shipway()).identity != one(SHIPWAY, shipway(**change)).identity


def test_when_shipway_sent_the_webhook_does_not_matter() -> None:
    first = one(SHIPWAY, shipway(api_input={"webhook_sent_date": "2025-06-11 03:10:02"}))
    repeat = one(SHIPWAY, shipway(api_input={"webhook_sent_date": "2025-06-12 03:10:02"}, company_id="9"))

    assert update_key("a/b", first) == update_key("a/b", repeat)


def test_a_shipway_update_is_the_same_in_both_formats() -> None:
    (classic,) = read(SHIPWAY, {"hash": "x", "status_feed": [shipway()]}).updates

    assert classic.identity == one(SHIPWAY, shipway()).identity


def _identified(*identity: str) -> TrackingUpdate:
    fields = {
        "aggregator": CLICKPOST,
        "shipment": "S",
        "status": Status.INFO,
        "direction": Direction.FORWARD,
        "body": b"",
    }
    return TrackingUpdate(identity=identity, **fields)  # type: ignore[arg-type]


_PARTS = st.lists(st.text(st.sampled_from("ab0\x1e\x1f\ud800\udfff?"), max_size=4), max_size=4)


@settings(max_examples=examples(500), deadline=None)
@given(_PARTS, _PARTS)
def test_no_two_different_identities_have_the_same_key(one_: list[str], other: list[str]) -> None:
    for others in (other, ["\x1f".join(one_)], [*one_[:1], "\x1f".join(one_[1:])], "\x1f".join(one_).split("\x1f")):
        same = update_key("a/b", _identified(*one_)) == update_key("a/b", _identified(*others))
        assert same is (one_ == others)


def test_the_parts_of_an_identity_do_not_run_into_each_other() -> None:
    def update(status: str, location: str, event: str) -> TrackingUpdate:
        body = clickpost(status=status, location=location, additional={"notification_event_id": event})
        return one(CLICKPOST, body)

    first, second = update("a\x1fb", "c", "d"), update("a", "b", "c\x1fd")
    assert update_key("a/b", first) != update_key("a/b", second)


@every_row(
    ("aggregator", "name", "key"),
    [
        (CLICKPOST, "clickpost/03_delivered_selected.json", "00684a9e54da6f3a8eb8be1972494d15"),
        (SHIPROCKET, "shiprocket/02_delivered.json", "00684d338b1441a6f2fbdd9dac87d8a8"),
        (SHIPWAY, "shipway/05_panel_delivered.json", "00684d41188d3068e29893250f9947c3"),
    ],
)
def test_keys_stay_the_same_from_version_to_version(aggregator: Aggregator, name: str, key: str) -> None:
    assert update_key("acme/account", one(aggregator, sample(name))).hex() == key


def test_the_key_of_a_report_without_a_time_is_its_own_and_still_identifies_the_report() -> None:
    update = one(SHIPWAY, {"status_feed": [{"order_id": "1", "current_status": "OOD"}]})
    keys = [occurrence_key("a/b", update, received_at=1_790_000_000_123, nonce=bytes([nonce] * 5)) for nonce in (1, 2)]
    assert update.timeless
    assert keys[0] != keys[1]
    assert {key[:5] for key in keys} == {(1_790_000_000).to_bytes(5, "big")}
    assert {key[5:11] for key in keys} == {update_key("a/b", update)[5:11]}
    assert len(keys[0]) == len(update_key("a/b", update)) == 16


UNREADABLE = ["NA", "", None, "0000-00-00 00:00:00", "yesterday", "9999-12-31 23:59:59", "0001-01-01T00:00:00Z", 0, -1,
              -62135596800, "31/02/2026", "2036-06-02 10:00:00", 4_000_000_000, [], {}, True, "12:30"]  # fmt: skip


@every_row("date", UNREADABLE)
def test_where_no_scan_of_shiprocket_has_a_time_the_reports_own_time_distinguishes_attempts(date: object) -> None:
    def attempt(day: int, *dates: object) -> TrackingUpdate:
        scans = [{"date": each, "status": "UD"} for each in dates]
        return one(
            SHIPROCKET, shiprocket(current_status_id=36, current_timestamp=f"0{day} 06 2026 18:05:00", scans=scans)
        )

    known = "2026-06-01 10:00:00"
    for dates in ([date], [date, date], [known, date], [date, known], [known, date, known]):
        first, second = attempt(1, *dates), attempt(2, *dates)
        assert not first.timeless
        assert update_key("a/b", first) != update_key("a/b", second)
        assert update_key("a/b", first) == update_key("a/b", attempt(1, *dates))


@every_row("date", UNREADABLE)
def test_without_any_time_that_can_be_read_a_report_has_none(date: object) -> None:
    for update in (
        one(CLICKPOST, clickpost(timestamp=date)),
        one(SHIPROCKET, shiprocket(current_timestamp=date, scans=[{"date": date}])),
        one(SHIPROCKET, shiprocket(current_timestamp=date)),
        one(SHIPWAY, shipway(status_time=date, scans=[{"time": date}])),
        one(SHIPWAY, shipway(status_time=date)),
    ):
        assert update.timeless
        assert update.occurred_at is None


@every_row("newest_first", [True, False])
def test_the_newest_scan_is_found_by_its_time_not_by_its_text(*, newest_first: bool) -> None:
    dates = ["28 09 2025 10:00:00", "2025-10-01 10:00:00", "02-10-2025 09:00:00"]
    scans = [{"date": date, "time": date, "location": date} for date in dates]
    ordered = scans[::-1] if newest_first else scans
    assert one(SHIPROCKET, shiprocket(current_timestamp=None, scans=ordered)).location == dates[-1]
    assert one(SHIPWAY, shipway(status_time=None, scans=ordered)).location == dates[-1]


def test_a_shipway_report_takes_the_first_of_its_times_that_can_be_read() -> None:
    update = one(SHIPWAY, shipway(status_time="0000-00-00 00:00:00", scans_current_status_time="2025-06-11 02:55:34"))
    other = one(SHIPWAY, shipway(status_time="later today", scans_current_status_time="2025-06-11 02:55:34"))
    assert update.occurred_at == other.occurred_at == 1749590734000
    assert update_key("a/b", update) != update_key("a/b", other)


@every_row("aggregator", Aggregator)
def test_labels_without_a_code_tell_updates_apart(aggregator: Aggregator) -> None:
    def key(label: str) -> bytes:
        if aggregator is CLICKPOST:
            body = clickpost(clickpost_status_code=None, clickpost_status_description=label)
        elif aggregator is SHIPROCKET:
            body = shiprocket(current_status=label)
        else:
            body = shipway(current_status=None, api_input={"current_status_desc": label})
        return update_key("a/b", one(aggregator, body))

    labels = ["Delivered", "PartialDelivered", "Nobody Knows", "Nobody Knows Either", "Lost", "Aged"]
    assert len({key(label) for label in labels}) == len(labels)


@every_row("nothing", ["N/A", "n/a", "None", "NIL", "nan", "undefined", "-", "--", " NULL "])
def test_a_word_for_no_awb_makes_no_shipment_of_all_orders_that_have_none(nothing: str) -> None:
    first, second = (
        one(SHIPROCKET, shiprocket(awb=nothing, order_id=order, current_timestamp="2026-06-02 10:00:00"))
        for order in ("SO-1", "SO-2")
    )

    assert (first.shipment, second.shipment) == ("order:SO-1", "order:SO-2")
    assert update_key("a/b", first) != update_key("a/b", second)
    assert one(SHIPWAY, shipway(awbno=nothing, order_id="SO-1")).shipment == "order:SO-1"
