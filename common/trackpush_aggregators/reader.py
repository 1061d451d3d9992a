"""The interface between the registry and an aggregator, whether it is built in or defined by a resource."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from trackpush_aggregators import leftovers
from trackpush_aggregators.parsed import Stray
from trackpush_aggregators.updates import TrackingUpdate


def unchanged(_: Any, body: bytes) -> bytes:
    """The body: nothing of it has to be removed."""
    return body


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """How the bodies of one aggregator are read. Immutable, and shared by all requests."""

    name: str
    """As in ``spec.aggregator``."""
    updates: Callable[[Any, bytes, int], Iterable[TrackingUpdate | Stray]]
    """The updates of one object, its bytes, and the latest time to accept (`trackpush_aggregators.times`)."""
    batches: Callable[[Any], bool] = lambda document: isinstance(document, list)
    """Whether each object of this document is read separately. Otherwise ``updates`` gets the document whole."""
    probe: Callable[[Any], bool] = leftovers.is_probe
    """Whether an object without a shipment is a panel's test of the URL."""
    body_key: Callable[[Any], str | None] | None = None
    """The key in an object, if this aggregator sends it there."""
    clean: Callable[[Any, bytes], bytes] = unchanged
    """Removes what must not be stored from the bytes of a document. The bodies of updates are cleaned already."""
