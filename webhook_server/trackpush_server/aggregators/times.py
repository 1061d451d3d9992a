"""Event times: from what each aggregator writes to milliseconds since the epoch.

Sources: aggregators' reference §1.3, §2.2 and §3.2. A time that can't be read is None, never an error.
"""

import re
from datetime import date, datetime, timedelta
from typing import Any

from trackpush_server.aggregators.values import text

IST = timedelta(hours=5, minutes=30)
GMT = timedelta(0)

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  zones are subtracted by hand
_MILLISECOND = timedelta(milliseconds=1)
_FIRST_DAY = date(2000, 1, 1)
_LAST_DAY = date(2100, 1, 1)
_EARLIEST = (_FIRST_DAY - _EPOCH.date()) // _MILLISECOND
_LATEST = (_LAST_DAY - _EPOCH.date()) // _MILLISECOND
"""Times outside are no times: 1970-01-01 is what PHP makes of 0000-00-00, and one absurd future time would mark all
that follows of the shipment as late."""
_USUAL_LENGTH = len("23 05 2023 11:43:52")
_DAY_FIRST = re.compile(
    r"([0-9]{1,2})[ /-]([0-9]{1,2})[ /-]([0-9]{4})(?:[ T]+([0-9]{1,2}):([0-9]{1,2})(?::([0-9]{1,2}))?(?:\.[0-9]*)?)?"
)


def clickpost(written: str | None, *, utc: bool = False) -> int | None:
    """A Clickpost time. Scans are in IST although they end in Z (§1.3); return requests (``utc``) are in UTC.

    An offset other than zero is believed.
    """
    if written is None:
        return None
    return _iso(written.removesuffix("Z").removesuffix("+00:00"), GMT if utc else IST)


def shiprocket(written: str | None) -> int | None:
    """A Shiprocket time in IST: ``23 05 2023 11:43:52`` or ``2023-05-19 11:59:16``."""
    if written is None:
        return None
    if len(written) == _USUAL_LENGTH and written[2] == written[5] == " ":
        return _iso(f"{written[6:10]}-{written[3:5]}-{written[:2]}T{written[11:]}", IST)
    return _iso(written, IST) or _day_first(written)


def shipway(written: str | None) -> int | None:
    """A Shipway time: IST unless it names its zone, as the ISO form of §3.2 does."""
    return None if written is None else _iso(written, IST)


def day(value: Any) -> str | None:
    """The date that a date or a time begins with, as ``YYYY-MM-DD``."""
    written = text(value)
    if written is None:
        return None
    try:
        found = date.fromisoformat(written[:10])
    except ValueError:
        return None
    return found.isoformat() if _FIRST_DAY <= found < _LAST_DAY else None


def _iso(written: str, zone: timedelta) -> int | None:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    offset = moment.utcoffset()
    if offset is None:
        return _sane((moment - _EPOCH - zone) // _MILLISECOND)
    return _sane((moment.replace(tzinfo=None) - _EPOCH - offset) // _MILLISECOND)


def _day_first(written: str) -> int | None:
    match = _DAY_FIRST.fullmatch(written)
    if match is None:
        return None
    day_, month, year, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        moment = datetime(year, month, day_, hour, minute, second)  # noqa: DTZ001  IST is subtracted below
    except ValueError:
        return None
    return _sane((moment - _EPOCH - IST) // _MILLISECOND)


def _sane(milliseconds: int) -> int | None:
    return milliseconds if _EARLIEST <= milliseconds < _LATEST else None
