"""The reader's time zone: chosen in the header of every page, and remembered in a cookie of the browser."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trackpush_runtime.ages import show_age

COOKIE: Final = "trackpush_tz"
DEFAULT: Final = "Asia/Kolkata"
OFFERED: Final = (
    "Asia/Kolkata", "UTC", "Asia/Dubai", "Asia/Singapore", "Europe/London", "Europe/Berlin", "America/New_York",
    "America/Los_Angeles",
)  # fmt: skip
_INDIA: Final = timezone(timedelta(hours=5, minutes=30), "IST")


def _load(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):  # this machine has no time zone database
        return _INDIA


_ZONES: Final = {name: _load(name) for name in OFFERED}
"""Read from disk at import: pages are rendered on the event loop, which may not wait for a disk."""


def zone_of(name: str) -> tzinfo:
    """The zone of a cookie, which may contain anything; India's for an unknown one."""
    return _ZONES.get(name, _INDIA)


def choices(chosen: str) -> list[tuple[str, bool]]:
    """The zones that the header offers, and which one is chosen."""
    current = chosen if chosen in OFFERED else DEFAULT
    return [(name, name == current) for name in OFFERED]


def beside(at: datetime, zone: tzinfo, now: datetime) -> str:
    """``15:30:00 IST, 3 min ago``; in UTC only the age. The date is shown if it differs from UTC's."""
    age = show_age((now - at).total_seconds())
    if zone is UTC:
        return age
    here = at.astimezone(zone)
    form = "%H:%M:%S %Z" if here.date() == at.date() else "%m-%d %H:%M:%S %Z"
    return f"{here.strftime(form)}, {age}"
