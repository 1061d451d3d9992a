"""Times for people: beside UTC the reader's zone, and the age."""

from datetime import UTC

import pytest

from support.rows import every_row
from trackpush_cli.zones import read_zone, time_beside_utc
from trackpush_runtime.ages import show_age

NOON = 1_769_860_800_000
"""2026-01-31T12:00:00Z."""

AGES = {
    0.4: "now",
    45: "45 s ago",
    60: "1 min ago",
    200: "3 min ago",
    7200: "2 h ago",
    400_000: "4 d ago",
    -180: "in 3 min",
    -0.5: "now",
}


@every_row("seconds", AGES)
def test_an_age_has_one_unit(seconds: float) -> None:
    assert show_age(seconds) == AGES[seconds]


def test_the_local_date_is_shown_only_where_it_differs() -> None:
    india = read_zone("Asia/Kolkata")
    assert time_beside_utc(NOON, india, NOON / 1000 + 180) == "2026-01-31 12:00:00.000Z (17:30:00 IST, 3 min ago)"
    late = NOON + 8 * 3_600_000
    assert time_beside_utc(late, india, NOON / 1000) == "2026-01-31 20:00:00.000Z (02-01 01:30:00 IST, in 8 h)"
    assert time_beside_utc(NOON, UTC, NOON / 1000) == "2026-01-31 12:00:00.000Z (now)"


def test_india_is_known_on_a_machine_without_a_time_zone_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.ZoneInfo", _Missing)
    assert time_beside_utc(NOON, read_zone("Asia/Kolkata"), NOON / 1000).endswith("(17:30:00 IST, now)")
    with pytest.raises(ValueError, match="unknown time zone 'Europe/London'"):
        read_zone("Europe/London")


class _Missing:
    def __init__(self, name: str) -> None:
        from zoneinfo import ZoneInfoNotFoundError  # noqa: PLC0415  only here

        raise ZoneInfoNotFoundError(name)
