"""Event times: from what each aggregator writes to milliseconds since the epoch.

Sources: aggregators' reference §1.3, §2.2 and §3.2. A time that can't be read is None, never an error. Neither is one
later than ``latest`` accepted: it is wrong, and would mark every later update of its shipment as late.
"""

from datetime import timedelta
from typing import Any

from trackpush_server.aggregators import written
from trackpush_server.aggregators.values import text
from trackpush_server.aggregators.written import GMT, IST

TRUSTED_AHEAD = timedelta(days=1)
"""How far after its receipt an update's time may lie: clocks differ, and some aggregators write local times as UTC."""
_TRUSTED_MILLISECONDS = TRUSTED_AHEAD // timedelta(milliseconds=1)


def latest(received_at: int) -> int:
    """The latest time that is accepted in a body received then; milliseconds since the epoch."""
    return received_at + _TRUSTED_MILLISECONDS


def clickpost(given: str | None, until: int, *, utc: bool = False) -> int | None:
    """A Clickpost time. Scans are in IST although they say UTC (§1.3); return requests (``utc``) are in UTC.

    An offset other than zero is believed.
    """
    zone = GMT if utc else IST
    return _moment(given, until, zero_is=zone, zone=zone)


def shiprocket(given: str | None, until: int) -> int | None:
    """A Shiprocket time, ``23 05 2023 11:43:52`` or ``2023-05-19 11:59:16``: IST unless it names its zone."""
    return _moment(given, until)


def shipway(given: str | None, until: int) -> int | None:
    """A Shipway time: IST unless it names its zone, as the ISO form of §3.2 does."""
    return _moment(given, until)


def day(value: Any) -> str | None:
    """The date that a date or a time says, as ``YYYY-MM-DD``."""
    given = text(value)
    found = None if given is None else written.read(given)
    return None if found is None else found.day.isoformat()


def _moment(given: str | None, until: int, *, zone: int = IST, zero_is: int = GMT) -> int | None:
    found = None if given is None else written.read(given)
    if found is None:
        return None
    moment = found.utc(zone, zero_is=zero_is)
    return moment if moment <= until else None
