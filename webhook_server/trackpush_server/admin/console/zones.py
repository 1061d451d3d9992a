"""The reader's time zone: chosen in the header of every page, and remembered in a cookie of the browser."""

from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from trackpush_runtime.reader_time import DEFAULT_ZONE, INDIA

COOKIE: Final = "trackpush_tz"
OFFERED: Final = (
    "Asia/Kolkata", "UTC", "Asia/Dubai", "Asia/Singapore", "Europe/London", "Europe/Berlin", "America/New_York",
    "America/Los_Angeles",
)  # fmt: skip


def _load(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError):  # this machine has no time zone database
        return INDIA


_ZONES: Final = {name: _load(name) for name in OFFERED}
"""Read from disk at import: pages are rendered on the event loop, which may not wait for a disk."""


def zone_of(name: str) -> tzinfo:
    """The zone of a cookie, which may contain anything; India's for an unknown one."""
    return _ZONES.get(name, INDIA)


def choices(chosen: str) -> list[tuple[str, bool]]:
    """The zones that the header offers, and which one is chosen."""
    current = chosen if chosen in OFFERED else DEFAULT_ZONE
    return [(name, name == current) for name in OFFERED]
