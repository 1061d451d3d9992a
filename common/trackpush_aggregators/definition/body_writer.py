"""Writes the data of an event, and the codes of a status, into a body that a definition reads."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from trackpush_aggregators.composing import Event
from trackpush_aggregators.definition.compiler import DIRECTION
from trackpush_aggregators.definition.paths import FieldPath, Scope, Variables, getter, step_into
from trackpush_aggregators.definition.statuses import ANY
from trackpush_aggregators.leftovers import is_empty
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec, ValueSource

_FORMS: Final = (
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
    "%d-%m-%Y %H:%M",
    "%d/%m/%Y %H:%M:%S",
    "%d/%m/%Y %H:%M",
    "%d %b %Y %H:%M:%S",
    "%d-%b-%Y %H:%M:%S",
    "%Y%m%d%H%M%S",
    "%d-%m-%Y",
    "%Y-%m-%d",
    "%H:%M:%S",
    "%H:%M",
    "%H%M",
)
_PARTS: Final = re.compile(r"(?P<base>.*?)(?P<fraction>\.[0-9]+)?(?P<zone>Z|[+-][0-9]{2}:?[0-9]{2})?")
_UTC_NAMES: Final = ("UTC", "GMT")
_MILLISECONDS: Final = 10**12
"""A time that is a number is in milliseconds from this value on, and in seconds below it."""


class BodyWriter:
    """Writes into the bodies of one definition. It changes the values of the scopes that it gets."""

    def __init__(self, spec: AggregatorDefinitionSpec, variables: Variables) -> None:
        self._spec = spec
        self._variables = variables
        self._zone = ZoneInfo(spec.timezone)

    def write(self, scope: Scope, event: Event) -> None:
        """Write AWB, order id and time where the body has them. What an expression computes stays as it is."""
        fields = self._spec.fields
        for source, text in ((fields.awb, event.awb), (fields.order_id, event.order_id)):
            for path in self._used(scope, source):
                _put(scope, path, _as_before(getter(path)(scope), text))
        self._write_time(scope, event.occurred_at)

    def write_codes(self, scope: Scope, when: Sequence[str]) -> None:
        """Write the codes of a row of the table. A pattern that matches everything leaves the value as it is."""
        source = self._spec.status.code
        for written, pattern in zip(source.candidates, when, strict=False):
            code = pattern.removesuffix(ANY)
            is_word = written == DIRECTION and self._spec.direction is not None
            if not is_word and (code or not pattern):
                path = self._variables.path(written)
                _put(scope, path, _as_before(getter(path)(scope), code))

    def _write_time(self, scope: Scope, occurred_at: int) -> None:
        source = self._spec.fields.occurred_at
        paths = self._used(scope, source)
        formats = () if source is None or source.formats is None else tuple(source.formats)
        local = UTC if any(getter(path)(scope) in _UTC_NAMES for path in paths) else self._zone
        for path in paths:
            former = getter(path)(scope)
            written = _time(former, formats, occurred_at, local)
            if written is None and len(paths) == 1 and not formats:  # in another spelling, which is always read
                written = datetime.fromtimestamp(occurred_at // 1000, local).isoformat()
            _put(scope, path, former if written is None else written)

    def _used(self, scope: Scope, source: ValueSource | None) -> list[FieldPath]:
        """The paths that the value comes from."""
        if source is None:
            return []
        paths = [self._variables.path(path) for path in source.join or source.candidates]
        filled = [path for path in paths if not is_empty(getter(path)(scope))]
        return filled if source.join else filled[:1]


def _as_before(former: Any, text: str) -> str | int:
    """The text; a number if the value was a number."""
    return int(text) if isinstance(former, int) and text.isdecimal() else text


def _time(former: Any, formats: Sequence[str], occurred_at: int, local: tzinfo) -> str | int | None:
    """A time, written as the former one was; None if its spelling is not known.

    ``local`` is the zone of a time without one.
    """
    if isinstance(former, int | float):
        return occurred_at // (1 if former >= _MILLISECONDS else 1000)
    text = str(former)
    for base, fraction, zone in ((text, "", ""), _split(text)):
        form = next((form for form in (*formats, *_FORMS) if _fits(base, form)), None)
        if form is not None:
            return _written(occurred_at, form, fraction, zone, local)
    number, point, decimals = text.partition(".")
    if not formats and number.isdecimal() and (not point or decimals.isdecimal()):
        milliseconds = int(number) >= _MILLISECONDS
        shown = str(occurred_at if milliseconds else occurred_at // 1000)
        return f"{shown}.{0 if milliseconds else occurred_at % 1000:03d}" if point else shown
    return None


def _written(occurred_at: int, form: str, fraction: str, zone: str, local: tzinfo) -> str:
    seconds, rest = divmod(occurred_at, 1000)
    moment = datetime.fromtimestamp(seconds, _zone(zone) if zone else local)
    return moment.strftime(form) + (f".{rest:03d}" if fraction else "") + zone


def _split(text: str) -> tuple[str, str, str]:
    """A time without its fraction and its zone, and these two."""
    parts = _PARTS.fullmatch(text)
    return (text, "", "") if parts is None else (parts["base"], parts["fraction"] or "", parts["zone"] or "")


def _fits(text: str, form: str) -> bool:
    try:
        read = datetime.strptime(text, form)  # noqa: DTZ007  only its form matters
    except ValueError:
        return False
    # strptime reads digits without zeros before them: 1748944200, which are seconds, as a day in 1748
    return not text.isdecimal() or read.strftime(form) == text


def _zone(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _put(scope: Scope, path: FieldPath, value: Any) -> None:
    holder = scope[path.variable]
    for segment in path.segments[:-1]:
        holder = step_into(holder, segment)
    last = path.segments[-1] if path.segments else None
    is_place = isinstance(last, int) and isinstance(holder, list) and -len(holder) <= last < len(holder)
    if is_place or (isinstance(last, str) and isinstance(holder, dict)):
        holder[last] = value
