"""Parses Retry-After in its two forms: seconds, or an HTTP date (RFC 9110, section 10.2.3)."""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"(\d{1,9})(?:\.\d*)?")


def parse_retry_after(value: str, now: float) -> float | None:
    """Seconds from ``now`` (seconds since the epoch); 0 for a time in the past, None for an unreadable value.

    Fractions of a second are cut off; they are not standard, but some servers send them. A date without a zone is UTC.
    """
    text = value.strip()
    match = _SECONDS.fullmatch(text)
    if match is not None:
        return float(match[1])
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return max(date.timestamp() - now, 0.0)
