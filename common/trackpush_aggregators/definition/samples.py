"""Checks the samples of a definition: each body must give the updates that the sample expects."""

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, Final

import msgspec
from pydantic.alias_generators import to_camel

from trackpush_aggregators import written
from trackpush_aggregators.definition.ambiguity import ambiguous_directions
from trackpush_aggregators.definition.compiler import compile_definition
from trackpush_aggregators.definition.emptiness import why_no_update
from trackpush_aggregators.definition.faults import DefinitionFault, InvalidDefinitionError
from trackpush_aggregators.definition.moments import Zone
from trackpush_aggregators.definition.paths import written as text_of
from trackpush_aggregators.definition.statuses import DIRECTION_NAMES
from trackpush_aggregators.document import decode, unwrap
from trackpush_aggregators.errors import MalformedBodyError, TooManyUpdatesError
from trackpush_aggregators.reader import Reader
from trackpush_aggregators.registry import parse
from trackpush_aggregators.updates import TrackingUpdate, rfc3339
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec, DefinedFields, DefinitionSample
from trackpush_api.plurals import counted
from trackpush_api.suggestions import did_you_mean

RECEIVED_AT: Final = 4_102_358_400_000
"""The time of receipt of samples: the end of 2099, so that no time in a sample is too late."""
MOST_UPDATES: Final = 2_000
NOTHING: Final = "nothing"
"""How a missing value is written."""
_TIME: Final = "occurredAt"
_NAMES: Final = {
    "status": "status",
    "direction": "direction",
    "code": "aggregator_code",
    "label": "aggregator_label",
    "occurredAtText": "occurred_at_text",
} | {to_camel(name): name for name in DefinedFields.model_fields}
"""What `expect` may name, and the attribute of an update."""


class SampleFailure(msgspec.Struct, frozen=True):
    """One difference between what a sample expects and what the definition reads."""

    sample: str
    index: int | None
    """Index of the update, from 0; None if the number of updates differs."""
    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        update = "" if self.index is None else f" update {self.index + 1}"
        return f"sample {self.sample}{update}: {self.field} is {self.found}, expected {self.expected}"


class Examined(msgspec.Struct, frozen=True):
    """The result of the check of a definition: its reader, its mistakes, and the failures of its samples."""

    reader: Reader | None
    faults: tuple[DefinitionFault, ...] = ()
    failures: tuple[SampleFailure, ...] = ()

    @property
    def usable(self) -> bool:
        return self.reader is not None and not self.faults and not self.failures


def examine(name: str, spec: AggregatorDefinitionSpec) -> Examined:
    """Compile a definition and check its samples."""
    faults = (*ambiguous_directions(spec), *_faults_of_samples(spec))
    try:
        reader = compile_definition(name, spec)
    except InvalidDefinitionError as error:
        return Examined(None, faults=(*error.faults, *faults))
    if faults:
        return Examined(reader, faults=faults)
    zone = Zone(spec.timezone)
    failures = [failure for sample in spec.samples for failure in _failures(sample, spec, reader, zone)]
    return Examined(reader, failures=tuple(failures))


def updates_of(reader: Reader, body: Any) -> Sequence[TrackingUpdate]:
    """The updates of a sample's body; a text is the body as it is sent.

    Raises:
        MalformedBodyError: it is not JSON, or nested too deeply.
        TooManyUpdatesError: it has more updates than a server accepts.
    """
    encoded = encoded_body(body)
    updates = parse(reader, decode(encoded), encoded, key=None, received_at=RECEIVED_AT).updates
    if len(updates) > MOST_UPDATES:
        raise TooManyUpdatesError(MOST_UPDATES)
    return updates


def encoded_body(body: Any) -> bytes:
    """The bytes of a sample's body.

    Raises:
        MalformedBodyError: JSON has no such value.
    """
    if isinstance(body, str):
        return body.encode("utf-8", "replace")
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError, msgspec.MsgspecError) as error:
        raise MalformedBodyError(f"The body is not JSON: {error}") from None


def _document(sample: DefinitionSample) -> Any:
    encoded = encoded_body(sample.body)
    return unwrap(decode(encoded), encoded)[0]


def _faults_of_samples(spec: AggregatorDefinitionSpec) -> Iterator[DefinitionFault]:
    for number, sample in enumerate(spec.samples):
        for place, expected in enumerate(sample.expect):
            for name, value in expected.items():
                field = f"spec.samples[{number}].expect[{place}].{name}"
                if name not in _NAMES:
                    yield DefinitionFault(field, f"unknown field {name!r}{did_you_mean(name, _NAMES)}")
                elif name == _TIME and value is not None and _moment(value, Zone("UTC")) is None:
                    yield DefinitionFault(field, f"{value!r} is not a time; write one such as 2026-06-01T04:34:00Z")


def _failures(
    sample: DefinitionSample, spec: AggregatorDefinitionSpec, reader: Reader, zone: Zone
) -> Iterator[SampleFailure]:
    wanted_number = counted(len(sample.expect), "update")
    try:
        updates = updates_of(reader, sample.body)
    except (MalformedBodyError, TooManyUpdatesError) as error:
        yield SampleFailure(sample.name, None, "updates", str(error), wanted_number)
        return
    if len(updates) != len(sample.expect):
        why = "" if updates else f" ({why_no_update(spec, _document(sample))})"
        yield SampleFailure(sample.name, None, "updates", f"{counted(len(updates), 'update')}{why}", wanted_number)
    for number, (update, expected) in enumerate(zip(updates, sample.expect, strict=False)):
        for name, value in expected.items():
            found = shown(name, update)
            wanted = _wanted(name, value, zone)
            if _comparable(name, found) != _comparable(name, wanted):
                yield SampleFailure(sample.name, number, name, found or NOTHING, wanted or NOTHING)


def shown(name: str, update: TrackingUpdate) -> str | None:
    """The value of a field of an update, by its name in a resource, as `expect` writes it."""
    value = getattr(update, _NAMES[name])
    if name == _TIME:
        return None if value is None else rfc3339(value)
    if name == "direction":
        return DIRECTION_NAMES[value]
    return _listed(value)


def _wanted(name: str, value: Any, zone: Zone) -> str | None:
    if name == _TIME and value is not None:
        moment = _moment(value, zone)
        return None if moment is None else rfc3339(moment)
    return _listed(value)


def _listed(value: Any) -> str | None:
    if isinstance(value, list | tuple):
        return ", ".join(filter(None, map(_listed, value))) or None
    return text_of(value.value if isinstance(value, Enum) else value)


def _moment(value: Any, zone: Zone) -> int | None:
    text = value.isoformat() if hasattr(value, "isoformat") else text_of(value)
    found = None if text is None else written.read(text)
    return None if found is None else zone.utc(found)


_WORDS: Final = frozenset({"direction", "status", "ndrReason", "qcResult", "test", "otpVerified"})
"""Fields whose values are compared without case."""


def _comparable(name: str, value: str | None) -> str | None:
    if name == "test":
        return value or "false"
    return value.casefold() if value is not None and name in _WORDS else value
