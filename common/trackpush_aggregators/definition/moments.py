"""Reads the times and days of a definition: with formats or without, in its time zone."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from trackpush_aggregators import written
from trackpush_aggregators.definition.faults import InvalidPartError
from trackpush_api.suggestions import closest

_MILLISECOND: Final = timedelta(milliseconds=1)
_FIRST: Final = datetime(2000, 1, 1)  # noqa: DTZ001  zones are subtracted by hand
_WEEKS: Final = (datetime(2100, 1, 1) - _FIRST) // timedelta(weeks=1)  # noqa: DTZ001
_TRIED: Final = datetime(2026, 11, 23, 16, 45, 8)  # noqa: DTZ001
"""No two of its parts are equal, so a format that drops or swaps one gives another day."""

OffsetOf = Callable[[int], int]
"""The zone's offset at a local time; both in milliseconds."""


class Zone:
    """A time zone."""

    def __init__(self, name: str) -> None:
        """Look it up.

        Raises:
            InvalidPartError: there is no such zone.
        """
        try:
            self._info = ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            near = closest(name, sorted(available_timezones()))
            advice = (
                "write a name of the IANA database, such as Asia/Kolkata" if near is None else f"did you mean {near}?"
            )
            raise InvalidPartError(f"no time zone {name!r}; {advice}") from None
        self.fixed = _fixed_offset(self._info)
        """Milliseconds east of UTC, if that never changes from 2000 to 2099."""

    def offset(self, local: int) -> int:
        """Milliseconds east of UTC at a local time (milliseconds since the epoch, as if it were UTC)."""
        return _offset(self._info, datetime.fromtimestamp(local / 1000, UTC).replace(tzinfo=None))

    def utc(self, found: written.Written) -> int:
        """The moment of a written time."""
        if self.fixed is not None:
            return found.utc(self.fixed)
        return found.utc(0) if found.absolute or found.offset is not None else found.local - self.offset(found.local)

    def day(self, found: written.Written) -> str:
        """The written day; of a number of seconds, the day in this zone."""
        if not found.absolute:
            return found.day.isoformat()
        moment = datetime.fromtimestamp(found.local / 1000, UTC)
        return moment.astimezone(self._info).date().isoformat()


def _offset(info: ZoneInfo, local: datetime) -> int:
    offset = info.utcoffset(local)
    return 0 if offset is None else offset // _MILLISECOND


@lru_cache(maxsize=64)
def _fixed_offset(info: ZoneInfo) -> int | None:
    first = _offset(info, _FIRST)
    weeks = (_FIRST + timedelta(weeks=number) for number in range(_WEEKS))
    return first if all(_offset(info, week) == first for week in weeks) else None


class Formats:
    """Formats of times, tried in order."""

    def __init__(self, formats: Sequence[str]) -> None:
        """Check them.

        Raises:
            InvalidPartError: a format that doesn't give a whole day.
        """
        for number, form in enumerate(formats):
            objection = _objection(form)
            if objection is not None:
                raise InvalidPartError(f"{form!r} {objection}", f".formats[{number}]")
        self._formats = tuple(formats)

    def read(self, text: str) -> written.Written | None:
        """The time in the text, if one of the formats fits all of it."""
        if len(text) > written.LONGEST:
            return None
        for form in self._formats:
            try:
                found = datetime.strptime(text, form)  # noqa: DTZ007  the zone is the definition's
            except ValueError:
                continue
            return written.of(found)
        return None


def _objection(form: str) -> str | None:
    try:
        day: date = datetime.strptime(_TRIED.replace(tzinfo=UTC).strftime(form), form).date()  # noqa: DTZ007
    except (ValueError, UnicodeError):
        return "is not a format of strptime; write one such as %d-%m-%Y %H:%M:%S"
    if day != _TRIED.date():
        return "does not contain day, month and year; write all three, such as %d-%m-%Y"
    return None
