"""Reads a date or a time in any spelling that couriers and aggregators use. docs/aggregators/times.md lists them.

Pure, and of bounded cost: a text longer than `LONGEST` is not read. Nothing here raises; what cannot be read is None.
"""

import re
import unicodedata
from datetime import date, datetime, timedelta
from functools import lru_cache

import msgspec

IST = 19_800_000
"""Zones are milliseconds east of UTC: numbers are quicker to compute with."""
GMT = 0

LONGEST = 64
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  zones are subtracted by hand
_MILLISECOND = timedelta(milliseconds=1)
_FIRST = (datetime(2000, 1, 1) - _EPOCH) // _MILLISECOND  # noqa: DTZ001
_END = (datetime(2100, 1, 1) - _EPOCH) // _MILLISECOND  # noqa: DTZ001
_NAMES_OF_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: number for number, name in enumerate(_NAMES_OF_MONTHS, 1)}
_CENTURY = 2000
_NOON, _MIDNIGHT = 12, 24

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_GAP = r"(?:\s?[-/.,]\s?|\s)"
_DATES = (
    rf"(?P<y>[0-9]{{4}}){_GAP}(?P<m>[0-9]{{1,2}}|{_MONTH}){_GAP}(?P<d>[0-9]{{1,2}})",
    r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})",
    rf"(?P<d>[0-9]{{1,2}}){_GAP}(?P<m>[0-9]{{1,2}}){_GAP}(?P<y>[0-9]{{4}}|[0-9]{{2}})",
    rf"(?P<d>[0-9]{{1,2}}){_GAP}?(?P<m>{_MONTH}){_GAP}?(?P<y>[0-9]{{4}}|'?[0-9]{{2}})",
    rf"(?P<m>{_MONTH}){_GAP}?(?P<d>[0-9]{{1,2}}){_GAP}(?P<y>[0-9]{{4}}|'?[0-9]{{2}})",
)
_HALF = r"(?:\s?(?P<half>[ap])(?:\.?\s?m)?\.?)"
_CLOCK = (
    r"(?:(?P<H>[0-9]{1,2})(?P<sep>[:.])(?P<M>[0-9]{1,2})(?:(?P=sep)(?P<S>[0-9]{1,2})(?:[.,:](?P<f>[0-9]{0,12}))?)?"
    rf"{_HALF}?"
    rf"|(?P<H2>[0-9]{{1,2}}){_HALF.replace('half', 'half2')}"
    r"|(?P<H3>[0-9]{2})(?P<M3>[0-9]{2})(?:(?P<S3>[0-9]{2})(?:[.,](?P<f3>[0-9]{0,12}))?)?)"
    r"(?:\s?(?:hrs?|hours?)\b\.?)?"
)
_INDIA = frozenset({"ist", "asia/kolkata", "asia/calcutta", "india standard time"})
_UTC = frozenset({"z", "zulu", "ut", "utc", "gmt", "etc/utc", "etc/gmt", "coordinated universal time"})
_NAMES = "|".join(sorted(_INDIA | _UTC))
_ZONE = (
    rf"\s?(?:(?P<name>{_NAMES})\b)?\s?(?P<offset>[-+\u2212][0-9]{{1,2}}(?::?[0-9]{{2}})?(?::?[0-9]{{2}})?)?"
    rf"(?:\s?(?:{_NAMES}))?"
)
_BETWEEN = r"(?:\s?[t_,|]\s?|\s?-\s?|\s)"
_FORMS = (
    *(re.compile(rf"{date_}(?:{_BETWEEN}{_CLOCK}{_ZONE})?") for date_ in _DATES),
    *(re.compile(rf"{_CLOCK}{_ZONE}{_BETWEEN}{date_}") for date_ in _DATES),
    re.compile(
        rf"(?P<m>{_MONTH})\s(?P<d>[0-9]{{1,2}})\s{_CLOCK}{_ZONE}\s(?P<y>[0-9]{{4}})"
    ),  # C's asctime, Java's Date
    re.compile(r"(?P<y>[0-9]{4})(?P<m>[0-9]{2})(?P<d>[0-9]{2})(?P<H>[0-9]{2})(?P<M>[0-9]{2})(?P<S>[0-9]{2})?"),
)
_ORDINAL = re.compile(r"(?<=[0-9])(?:st|nd|rd|th)\b")
_NOISE = re.compile(r"\b(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?\b[.,]?|\b(?:at|of|on)\b")
_BRACKET = re.compile(r"[(\[]([^()\[\]]*)[)\]]$")
_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"[0-9]{9,19}(?:\.[0-9]*)?")
_DOT_NET = re.compile(r"/Date\(([0-9]{9,19})(?:[-+][0-9]{4})?\)/")
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
_ISO = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:?[0-9]{2})?"
)

_LENGTH = len("2023-05-19T11:59:16")
_DAY_MS = 86_400_000
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class Written(msgspec.Struct, frozen=True, gc=False):
    """A date or time as it was written."""

    local: int
    """What the clock showed, as if it were UTC: milliseconds since the epoch. Of a day its midnight."""
    offset: int | None
    """Its zone in milliseconds; None where it names none. Zero for every way to write UTC."""
    absolute: bool = False
    """A number of seconds since the epoch, which no zone changes."""

    def utc(self, zone: int, *, zero_is: int = GMT) -> int:
        """Milliseconds since the epoch; without a zone in ``zone``, with UTC in ``zero_is``."""
        if self.absolute:
            return self.local
        offset = zone if self.offset is None else self.offset or zero_is
        return self.local - offset

    @property
    def day(self) -> date:
        """The written date; of a number of seconds, the date in India."""
        return date.fromordinal(_EPOCH_DAY + (self.local + (IST if self.absolute else GMT)) // _DAY_MS)


def read(text: str) -> Written | None:
    """The date or time in the text; None if there is none, or outside the years 2000 to 2099.

    1970-01-01 is what PHP makes of 0000-00-00, and 9999-12-31 is what databases make of "never".
    """
    found = _usual(text)
    if found is None:
        return None if len(text) > LONGEST else _read(text)
    return _in_range(found)


def of(moment: datetime) -> Written | None:
    """The date or time that was read in another way; None outside the years 2000 to 2099."""
    return _in_range(_of(moment))


def _in_range(found: Written) -> Written | None:
    return found if _FIRST <= found.local < _END else None


def _usual(text: str) -> Written | None:
    """Parse the usual forms: ``2023-05-19T11:59:16``, with or without a ``Z``, and ``23 05 2023 11:43:52``.

    Looks at the separators only, since `datetime.fromisoformat` looks at the digits.
    """
    offset = None
    if len(text) == _LENGTH + 1 and text[_LENGTH] == "Z":
        text, offset = text[:_LENGTH], GMT
    if len(text) != _LENGTH or text[13] != ":" or text[16] != ":":
        return None
    if text[2] == " " and text[5] == " " and text[10] == " " and offset is None:
        text = f"{text[6:10]}-{text[3:5]}-{text[:2]}T{text[11:]}"
    elif text[4] != "-" or text[7] != "-" or text[10] not in "T ":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is not None:  # "11:Z\0:16" is 11:00 UTC to fromisoformat
        return None
    since = moment - _EPOCH
    return Written((since.days * 86_400 + since.seconds) * 1000, offset)


@lru_cache(maxsize=4096)
def _read(text: str) -> Written | None:
    if not text.isascii():
        text = _in_ascii(text)
    found = _usual(text) or _iso(text) or _number(text) or _spelled(text)
    return None if found is None else _in_range(found)


def _in_ascii(text: str) -> str:
    """The text with ASCII spaces, dashes and digits, and without marks for the writing direction."""
    plain = unicodedata.normalize("NFKC", text).translate(_DASHES)
    return "".join(character for character in plain if unicodedata.category(character) != "Cf")


def _iso(text: str) -> Written | None:
    """ISO 8601 with any zone and fraction."""
    if _ISO.fullmatch(text) is None:
        return None
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        return None
    return _of(moment)


def _of(moment: datetime) -> Written:
    offset = moment.utcoffset()
    local = (moment.replace(tzinfo=None) - _EPOCH) // _MILLISECOND
    return Written(local, None if offset is None else offset // _MILLISECOND)


def _number(text: str) -> Written | None:
    """Seconds, milli-, micro- or nanoseconds since the epoch: the unit that gives a plausible year."""
    dot_net = _DOT_NET.fullmatch(text)
    text = text if dot_net is None else dot_net[1]
    if _NUMBER.fullmatch(text) is None:
        return None
    whole, _, fraction = text.partition(".")
    for nanoseconds in (10**9, 10**6, 10**3, 1):
        milliseconds = int(whole) * nanoseconds // 10**6
        if _FIRST <= milliseconds < _END:
            exact = milliseconds + int(fraction[:3].ljust(3, "0")) if nanoseconds == 10**9 else milliseconds
            return Written(exact, GMT, absolute=True)
    return None


def _spelled(text: str) -> Written | None:
    plain = _BRACKET.sub(r" \1", _ORDINAL.sub("", text.lower()))
    plain = _SPACE.sub(" ", _NOISE.sub(" ", plain)).strip(" ,")
    for form in _FORMS:
        match = form.fullmatch(plain)
        if match is not None and (found := _made(match)) is not None:
            return found
    return None


def _made(match: re.Match[str]) -> Written | None:
    part = match.groupdict()
    try:
        year_first = match.start("y") < match.start("d")
        return Written(_midnight(part, year_first=year_first) + _clock(part), _offset(part))
    except (ValueError, OverflowError):
        return None


def _midnight(part: dict[str, str | None], *, year_first: bool) -> int:
    """Milliseconds of the date. The day comes before the month, unless only the other order gives a valid date.

    Raises:
        ValueError: there is none.
    """
    year, month, day = (part["y"] or "").lstrip("'"), part["m"] or "", int(part["d"] or "")
    number = _MONTHS.get(month[:3]) or int(month)
    if number > len(_MONTHS) and not year_first:
        number, day = day, number
    full = int(year) if len(year) == len("2024") else _CENTURY + int(year)
    return (datetime(full, number, day) - _EPOCH) // _MILLISECOND  # noqa: DTZ001  zones are subtracted by hand


def _clock(part: dict[str, str | None]) -> int:
    """Milliseconds since midnight.

    Raises:
        ValueError: there is no such time.
    """
    hour, minute, second = (int(_any(part, name) or 0) for name in "HMS")
    half = _any(part, "half")
    if half == "a" and hour >= _NOON:
        if hour > _NOON:
            raise ValueError(hour)
        hour = 0
    elif half == "p" and hour < _NOON:
        hour += _NOON
    if hour > _MIDNIGHT or minute > 59 or second > 60 or (hour == _MIDNIGHT and minute + second > 0):  # noqa: PLR2004
        raise ValueError(hour)
    fraction = int((_any(part, "f") or "0")[:3].ljust(3, "0"))
    return ((hour * 60 + minute) * 60 + second) * 1000 + fraction


def _offset(part: dict[str, str | None]) -> int | None:
    """The offset of the named zone.

    Raises:
        ValueError: no zone is that far from UTC.
    """
    written, name = part.get("offset"), part.get("name")
    if written is None:
        return None if name is None else IST if name in _INDIA else GMT
    digits = written[1:].replace(":", "")
    hours = digits[: 2 - len(digits) % 2]
    rest = digits[len(hours) :].ljust(4, "0")
    offset = timedelta(hours=int(hours), minutes=int(rest[:2]), seconds=int(rest[2:]))
    if offset >= timedelta(hours=_MIDNIGHT) or int(rest[:2]) > 59:  # noqa: PLR2004
        raise ValueError(written)
    return offset // _MILLISECOND if written[0] == "+" else -offset // _MILLISECOND


def _any(part: dict[str, str | None], name: str) -> str | None:
    return part.get(name) or part.get(f"{name}2") or part.get(f"{name}3")
