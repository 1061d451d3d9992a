"""What charts and masking are made of: steps that end, quantiles, and nothing of a person."""

import pytest

from trackpush_server.admin import masking
from trackpush_server.telemetry import windows
from trackpush_server.telemetry.windows import Windows


def test_the_last_hour_forgets_what_is_older_and_shows_quiet_steps_as_zero() -> None:
    now = [7200.0]
    made = Windows(lambda: now[0])
    made.received(30)
    made.attempted("acme/oms", 0.02, failed=False)
    made.attempted("acme/oms", 3.0, failed=True)
    made.ended("acme/oms", "delivered")
    made.waiting([("acme/oms", 5, 12.0), ("acme/crm", 0, 0.0)])
    last = made.server.points(now[0])[-1]
    assert (last.received, last.attempts, last.p50, last.p99) == (2.0, 2 / 15, 0.025, 5.0)
    assert (last.pending, last.queue_age) == (5, 12.0)
    hour = made.of("acme/oms").summary(now[0])
    assert (hour.attempts, hour.failed, hour.delivered, hour.success_rate) == (2, 1, 1, 0.5)
    now[0] += 1800
    assert [point.received for point in made.server.points(now[0])].count(0.0) == 239
    now[0] += 3600
    assert made.of("acme/oms").summary(now[0]).attempts == 0
    assert made.of("acme/oms").summary(now[0]).success_rate is None


def test_where_very_many_are_busy_the_lines_of_all_begin_later_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MOST_STEPS", 25)
    now = [7200.0]
    made = Windows(lambda: now[0])
    for _ in range(5):
        for number in range(10):
            made.ended(f"acme/{number}", "dead")
        now[0] += 60
    for number in range(10):
        line = made.of(f"acme/{number}")
        assert [point.at for point in line.points(now[0])] == [7380, 7440, 7500]
        assert (line.summary(now[0]).dead, line.summary(now[0]).seconds) == (2, 180)
    assert made.server.summary(now[0]).dead == 50
    assert made.server.summary(now[0]).seconds == 3600


def test_minutes_older_than_the_hour_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "MOST_STEPS", 60)
    now = [7200.0]
    made = Windows(lambda: now[0])
    for _ in range(200):
        made.ended("acme/oms", "dead")
        now[0] += 60
    now[0] -= 60
    hour = made.of("acme/oms").summary(now[0])
    assert (hour.dead, hour.seconds) == (60, 3600), "nothing was forgotten for want of room"


def test_a_push_config_that_is_gone_has_no_line() -> None:
    made = Windows(lambda: 0.0)
    for number in (1, 2):
        made.ended(f"acme/{number}", "dead")
    made.retain(["acme/2"])
    assert [made.of(f"acme/{number}").summary(0.0).dead for number in (1, 2)] == [0, 1]


def test_what_waits_is_as_before_until_it_is_looked_at_again() -> None:
    now = [7200.0]
    made = Windows(lambda: now[0])
    made.waiting([("acme/oms", 5, 12.0)])
    now[0] += 180
    made.waiting([("acme/oms", 0, 0.0)])
    now[0] += 60
    assert [point.pending for point in made.of("acme/oms").points(now[0])][-5:] == [5, 5, 5, 0, 0]


def test_a_clock_that_steps_back_continues_with_the_last_step() -> None:
    now = [7200.0]
    made = Windows(lambda: now[0])
    made.ended("acme/oms", "dead")
    now[0] -= 600
    made.ended("acme/oms", "dead")
    assert made.of("acme/oms").points(now[0])[-1].at == 6600
    assert made.of("acme/oms").summary(now[0]).dead == 0
    assert made.of("acme/oms").summary(7200.0).dead == 2


@pytest.mark.parametrize("code", ["8", 8, "DL", "OOD", "RTO_DELIVERED", "UD-1", None, ""])
def test_masking_leaves_codes_that_are_short_and_look_like_codes(code: object) -> None:
    assert masking.code(code) == code


@pytest.mark.parametrize("code", ["PIICODE Ravi", "Ravi", "9876543210", "A" * 33, "a@b.example", "ரவி", {"a": 1}])
def test_masking_takes_codes_that_may_be_texts(code: object) -> None:
    assert masking.code(code) == "•••"
    assert masking.notification({"status": {"aggregatorCode": code}}) == {"status": {"aggregatorCode": "•••"}}


def test_masking_takes_names_of_a_bodys_members_at_any_depth() -> None:
    deep: object = {"PIIKEYNAME": 1}
    for _ in range(5000):
        deep = [deep]
    for content in ({"PIIKEYNAME Ravi": 1, "list": [{"PIIKEYNAME": {}}]}, deep):
        assert "PII" not in repr(masking.body(content))
        assert "PII" not in repr(masking.notification({"raw": content}))


def test_masking_leaves_codes_and_times_and_takes_every_free_text() -> None:
    given = {
        "type": "shipment.delivered",
        "shipment": {"awb": "1", "courier": "X"},
        "status": {"code": "DELIVERED", "remark": "to Asha", "location": "Pune", "ndrReason": None},
        "raw": {"phone": 98765, "list": [{"name": "Asha"}, ""], "none": None},
    }
    assert masking.notification(given) == {
        "type": "shipment.delivered",
        "shipment": {"awb": "1", "courier": "•••"},
        "status": {"code": "DELIVERED", "remark": "•••", "location": "•••", "ndrReason": None},
        "raw": {"•••1": "•••", "•••2": [{"•••1": "•••"}, ""], "•••3": None},
    }
    details = {"attempt": 2, "qcResult": "failed", "otpVerified": True}
    told = details | {"qcReasons": ["Asha's shirt"], "proofOfDelivery": "https://pod.example/asha.jpg"}
    assert masking.notification({"status": told}) == {
        "status": details | {"qcReasons": ["•••"], "proofOfDelivery": "•••"}
    }
    assert masking.error("HTTP 422: no Asha here") == "HTTP 422: •••"
    assert masking.error("token: HTTP 401 invalid_client: Asha") == "token: HTTP 401: •••"
    assert masking.error("timeout: no answer within 10 s") == "timeout: no answer within 10 s"
