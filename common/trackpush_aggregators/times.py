"""Converts each aggregator's event times to milliseconds since the epoch.

Sources: §1.3, §2.2 and §3.2. A time that can't be read is None, never an error. Neither is one
later than ``latest`` accepted: it is wrong, and would mark every later update of its shipment as late.
"""

from datetime import timedelta
from typing import Any

from trackpush_aggregators import written
from trackpush_aggregators.values import text
from trackpush_aggregators.written import GMT, IST

TRUSTED_AHEAD = timedelta(days=1)
"""How far after its receipt an update's time may lie: clocks differ, and some aggregators write local times as UTC."""
_TRUSTED_MILLISECONDS = TRUSTED_AHEAD // timedelta(milliseconds=1)


def latest(received_at: int) -> int:
    """The latest event time accepted in a body received at this time; milliseconds since the epoch."""
    return received_at + _TRUSTED_MILLISECONDS


def moment(given: str | None, until: int, *, zone: int = IST, zero_is: int = GMT) -> int | None:
    """Milliseconds since the epoch of a time in any form that `written` reads.

    ``zone`` is the offset of a time without one, in milliseconds; ``zero_is`` is the meaning of an offset of zero.
    """
    found = None if given is None else written.read(given)
    if found is None:
        return None
    milliseconds = found.utc(zone, zero_is=zero_is)
    return milliseconds if milliseconds <= until else None


def day(value: Any) -> str | None:
    """The date of a date or a time, as ``YYYY-MM-DD``."""
    given = text(value)
    found = None if given is None else written.read(given)
    return None if found is None else found.day.isoformat()
