"""Composes bodies in the format of a definition, from its samples: for `trackpush send`."""

import copy
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

import msgspec

from trackpush_aggregators.composing import Event
from trackpush_aggregators.definition.compiler import compile_definition, compile_steps
from trackpush_aggregators.definition.faults import FaultList
from trackpush_aggregators.definition.paths import FieldPath, Scope, Variables, getter, step_into
from trackpush_aggregators.definition.samples import updates_of
from trackpush_aggregators.definition.steps import ListStep, nested
from trackpush_aggregators.leftovers import is_empty
from trackpush_aggregators.reader import Reader
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec, ValueSource
from trackpush_api.vocabulary import AggregatorName, Status

_FORMS: Final = (
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d %H:%M:%S",
    "%d-%m-%Y %H:%M:%S",
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

Steps = tuple[ListStep, ...]


def composable_by(name: AggregatorName, spec: AggregatorDefinitionSpec) -> frozenset[Status]:
    """The statuses that the samples of a definition show."""
    reader = compile_definition(name, spec)
    return frozenset(update.status for sample in spec.samples for update in updates_of(reader, sample.body))


def compose_defined(name: AggregatorName, spec: AggregatorDefinitionSpec, status: str, event: Event) -> bytes:
    """A body that is read as this status: that of a sample, with another shipment and time.

    Raises:
        ValueError: no sample shows this status; the message names those that can be composed.
    """
    reader = compile_definition(name, spec)
    names, steps = compile_steps(spec, FaultList())
    found = next(_with_status(reader, spec, steps, status), None)
    if found is None:
        listed = ", ".join(sorted(composable_by(name, spec)))
        raise ValueError(f"no sample of {name} has the status {status}; they have: {listed}")
    body, scope = found
    _Writer(spec, Variables(names, implicit=not steps), event).write(scope)
    return msgspec.json.format(msgspec.json.encode(body), indent=2)


def _with_status(
    reader: Reader, spec: AggregatorDefinitionSpec, steps: Steps, status: str
) -> Iterator[tuple[Any, Scope]]:
    """Bodies with one update, which has this status, and the scope of that update."""
    for sample in spec.samples:
        body = copy.deepcopy(sample.body)
        scopes = list(_scopes(body, steps))
        updates = updates_of(reader, sample.body)
        if len(scopes) != len(updates):
            continue
        for scope, update in zip(scopes, updates, strict=True):
            if update.status == status:
                yield (body if steps else scope[0]), _alone(scope, steps)


def _scopes(body: Any, steps: Steps) -> Iterable[Scope]:
    """The scopes of the updates of a body. Their values are parts of the body, which may be changed."""
    if steps:
        return nested((body,), steps)
    return [(each,) for each in body] if isinstance(body, list) else [(body,)]


def _alone(scope: Scope, steps: Steps) -> Scope:
    """The scope, after its neighbours were removed from the lists of the body."""
    for number, step in enumerate(steps, 1):
        found = step.find(scope[:number])
        if found is not None and isinstance(found[0], list):
            found[0][:] = [scope[number]]
    return scope


class _Writer:
    """Writes the data of an event into a body."""

    def __init__(self, spec: AggregatorDefinitionSpec, variables: Variables, event: Event) -> None:
        self._spec = spec
        self._event = event
        self._variables = variables
        self._zone = ZoneInfo(spec.timezone)

    def write(self, scope: Scope) -> None:
        fields = self._spec.fields
        for source, text in ((fields.awb, self._event.awb), (fields.order_id, self._event.order_id)):
            for path in self._used(scope, source):
                former = getter(path)(scope)
                _put(scope, path, int(text) if isinstance(former, int) and text.isdecimal() else text)
        times = self._used(scope, fields.occurred_at)
        local = UTC if any(getter(path)(scope) in _UTC_NAMES for path in times) else self._zone
        for path in times:
            _put(scope, path, self._time(getter(path)(scope), fields.occurred_at, local))

    def _used(self, scope: Scope, source: ValueSource | None) -> list[FieldPath]:
        """The paths that the value comes from."""
        if source is None:
            return []
        paths = [self._variables.path(path) for path in source.join or source.candidates]
        filled = [path for path in paths if not is_empty(getter(path)(scope))]
        return filled if source.join else filled[:1]

    def _time(self, former: Any, source: ValueSource | None, local: tzinfo) -> Any:
        """The time of the event, as the former one was written; ``local`` is the zone of a time without one."""
        if isinstance(former, int | float):
            return self._event.occurred_at // (1 if former >= _MILLISECONDS else 1000)
        text = str(former)
        own = () if source is None or source.formats is None else source.formats
        for base, fraction, zone in ((text, "", ""), _split(text)):
            form = next((form for form in (*own, *_FORMS) if _fits(base, form)), None)
            if form is not None:
                return self._written(form, fraction, zone, local)
        return former

    def _written(self, form: str, fraction: str, zone: str, local: tzinfo) -> str:
        seconds, rest = divmod(self._event.occurred_at, 1000)
        moment = datetime.fromtimestamp(seconds, _zone(zone) if zone else local)
        return moment.strftime(form) + (f".{rest:03d}" if fraction else "") + zone


def _split(text: str) -> tuple[str, str, str]:
    """A time without its fraction and its zone, and these two."""
    parts = _PARTS.fullmatch(text)
    return (text, "", "") if parts is None else (parts["base"], parts["fraction"] or "", parts["zone"] or "")


def _fits(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)  # noqa: DTZ007  only its form matters
    except ValueError:
        return False
    return True


def _zone(text: str) -> tzinfo:
    if text == "Z":
        return UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return timezone(timedelta(minutes=-minutes if text[0] == "-" else minutes))


def _put(scope: Scope, path: FieldPath, value: Any) -> None:
    holder = scope[path.variable]
    for segment in path.segments[:-1]:
        holder = step_into(holder, segment)
    if isinstance(holder, dict):
        holder[path.segments[-1]] = value
