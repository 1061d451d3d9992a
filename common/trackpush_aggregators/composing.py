"""Shared by the aggregators' composers: the event to describe, and the type of a composer."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from trackpush_aggregators.written import GMT, IST
from trackpush_api.vocabulary import Direction, Status

LOCATION = "Mumbai_MiraRd_D (Maharashtra)"
"""An invented place, in the form of the sample payloads beside this module."""


class Event(NamedTuple):
    """The event that a body reports; ``occurred_at`` is in milliseconds since the epoch."""

    awb: str
    order_id: str
    occurred_at: int

    def written(self, form: str, *, utc: bool = False) -> str:
        """The time as the aggregator writes it, in IST unless ``utc``."""
        zone = GMT if utc else IST
        return datetime.fromtimestamp((self.occurred_at + zone) / 1000, UTC).strftime(form)


Way = tuple[Status, Direction]
"""How a body is to be read."""


class Composer(NamedTuple):
    """Composes the bodies of one aggregator."""

    codes: Mapping[Way, Any]
    """The code to write for each way that the aggregator can express."""
    formats: tuple[str, ...]
    """Names of its body formats, the default one first."""
    body: Callable[[Event, Way, str], dict[str, Any]]
    """The body for an event, a key of ``codes`` and one of ``formats``."""


def first_of(rows: Iterable[tuple[Way, Any]]) -> dict[Way, Any]:
    """The first code for each direction: tables list the most common one first."""
    codes: dict[Way, Any] = {}
    for way, code in rows:
        codes.setdefault(way, code)
    return codes
