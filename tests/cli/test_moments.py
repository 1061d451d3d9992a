"""Times and durations as people type and read them."""

from datetime import UTC, datetime, timedelta

import pytest

from trackpush_cli.moments import parse_duration, parse_moment, show_duration, show_moment

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("25s", 25), ("1h30m", 5400), ("7d", 604800), ("1.5h", 5400)]
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "5 s", "5s!", "-5s", "s5"])
def test_anything_else_is_not_a_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("2h", NOW - timedelta(hours=2)),
        ("2026-01-30", datetime(2026, 1, 30, tzinfo=UTC)),
        ("2026-01-30T10:00:00Z", datetime(2026, 1, 30, 10, tzinfo=UTC)),
        ("2026-01-30T10:00:00+05:30", datetime(2026, 1, 30, 4, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_read(text: str, moment: datetime) -> None:
    assert parse_moment(text, NOW) == moment


def test_a_text_that_is_no_moment_says_what_may_be_written() -> None:
    with pytest.raises(ValueError, match=r"'yesterday' is not a time; write 2h"):
        parse_moment("yesterday", NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0042, "4.2ms"), (0.85, "850ms"), (4.21, "4.2s"), (725, "12m05s"), (12000, "3h20m"), (187_200, "2d04h")],
)
def test_a_duration_is_shown_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert show_duration(seconds) == text


def test_a_moment_is_shown_in_utc_with_milliseconds() -> None:
    assert show_moment(1_769_860_800_123) == "2026-01-31 12:00:00.123Z"
