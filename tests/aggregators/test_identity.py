"""What makes an update the same one again, and what does not (aggregators' reference §4.3)."""

import pytest

from aggregators.bodies import CLICKPOST, SHIPROCKET, SHIPWAY, clickpost, one, read, sample, shiprocket, shipway
from trackpush_server.updates import update_key

SCANS = [{"date": "2023-05-23 11:00:00", "status": "X-1"}, {"date": "2023-05-23 11:43:46", "status": "X-2"}]


@pytest.mark.parametrize(
    "change",
    [{"waybill": "1901"}, {"cp_id": 5}, {"clickpost_status_code": 6}, {"timestamp": "2025-06-11T02:55:35Z"},
     {"status": "OFD"}, {"location": "Pune"}, {"additional": {"notification_event_id": 17}}],
    ids=str,
)  # fmt: skip
def test_every_part_of_a_clickpost_identity_makes_another_update(change: dict[str, object]) -> None:
    plain, changed = one(CLICKPOST, clickpost()), one(CLICKPOST, clickpost(**change))

    assert plain.identity != changed.identity
    assert update_key("a/b", plain) != update_key("a/b", changed)


@pytest.mark.parametrize(
    "change",
    [{"remark": "x"}, {"cp_id": "4"}, {"clickpost_status_code": "5"}, {"waybill": 1900}, {"new_key": 1},
     {"additional": {"latest_status": {"status": "Delivered", "clickpost_status_code": 8}}}],
    ids=str,
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


@pytest.mark.parametrize(
    "change",
    [{"awb": "1901"}, {"current_status_id": 19}, {"shipment_status_id": 17}, {"scans": SCANS[:1]},
     {"scans": [*SCANS, {"date": "2023-05-23 11:43:46", "status": "X-3"}]}],
    ids=str,
)  # fmt: skip
def test_every_part_of_a_shiprocket_identity_makes_another_update(change: dict[str, object]) -> None:
    body = shiprocket(current_status_id=20, shipment_status_id=18, scans=SCANS)

    assert one(SHIPROCKET, body).identity != one(SHIPROCKET, body | change).identity


def test_with_scans_a_shiprocket_repeat_may_be_stamped_anew() -> None:
    first = one(SHIPROCKET, shiprocket(scans=SCANS))
    repeat = one(SHIPROCKET, shiprocket(scans=SCANS, current_timestamp="23 05 2023 11:59:59"))

    assert update_key("a/b", first) == update_key("a/b", repeat)
    assert first.occurred_at != repeat.occurred_at


def test_without_scans_shiprockets_stamp_tells_updates_apart() -> None:
    first = one(SHIPROCKET, shiprocket())
    other = one(SHIPROCKET, shiprocket(current_timestamp="23 05 2023 11:59:59"))

    assert update_key("a/b", first) != update_key("a/b", other)


@pytest.mark.parametrize(
    "change",
    [{"order_id": "SO-2"}, {"awbno": "1901"}, {"current_status": "DEL"}, {"status_time": "2025-06-11 02:55:35"}],
    ids=str,
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
