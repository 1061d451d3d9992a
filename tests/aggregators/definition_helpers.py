"""Definitions for tests: made of a few parts, and what they read."""

from typing import Any

import msgspec

from aggregators.bodies import NOW
from trackpush_aggregators import Parsed, decode, parse
from trackpush_aggregators.definition import InvalidDefinitionError, compile_definition
from trackpush_aggregators.reader import Reader
from trackpush_aggregators.updates import TrackingUpdate
from trackpush_api.kinds.aggregator_definition import AggregatorDefinitionSpec

NAME = "parcelkit"


def spec(**changes: Any) -> AggregatorDefinitionSpec:
    """A definition that reads ``{"awb": …, "code": …, "at": …}``; ``fields`` and ``status`` are merged."""
    fields = {"awb": "awb", "occurredAt": "at"} | changes.pop("fields", {})
    status = {"code": "code", "table": [{"when": "DL", "status": "DELIVERED"}]} | changes.pop("status", {})
    given = {"path": NAME, "fields": fields, "status": status} | changes
    return AggregatorDefinitionSpec.model_validate(given)


def reader(**changes: Any) -> Reader:
    return compile_definition(NAME, spec(**changes))


def read(defined: Reader, body: Any, *, received_at: int = NOW) -> Parsed:
    """Parse a body, given as bytes or as what is to be encoded."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return parse(defined, decode(content), content, key=None, received_at=received_at)


def one(defined: Reader, body: Any, *, received_at: int = NOW) -> TrackingUpdate:
    """The only update of a body."""
    (update,) = read(defined, body, received_at=received_at).updates
    return update


def faults(**changes: Any) -> dict[str, str]:
    """The mistakes in a definition, by field."""
    try:
        reader(**changes)
    except InvalidDefinitionError as error:
        return {fault.field: fault.message for fault in error.faults}
    return {}
