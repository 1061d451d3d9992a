"""Times in the reader's time zone, as the console and the command line show them beside UTC. Pure."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from trackpush_runtime.ages import show_age

DEFAULT_ZONE: Final = "Asia/Kolkata"
INDIA: Final = timezone(timedelta(hours=5, minutes=30), "IST")
"""For machines without a time zone database."""


def beside_utc(at: datetime, zone: tzinfo, now: datetime) -> str:
    """``15:30:00 IST, 3 min ago``; in UTC only the age. The date is shown if it differs from that of ``at`` in UTC."""
    age = show_age((now - at).total_seconds())
    if zone is UTC:
        return age
    here = at.astimezone(zone)
    form = "%H:%M:%S %Z" if here.date() == at.date() else "%m-%d %H:%M:%S %Z"
    return f"{here.strftime(form)}, {age}"
