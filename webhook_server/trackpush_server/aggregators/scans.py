"""Finds the newest scan in a shipment's history."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from trackpush_server.aggregators.values import members, objects

_AT_EACH_END = 500
"""Scans that are looked at; a history has tens, and a body may hold tens of thousands."""

Scan = Mapping[str, Any]


class Newest(NamedTuple):
    """The newest scan (empty where there is none), and what is known of its time."""

    scan: Scan
    moment: int | None
    certain: bool
    """Whether every scan has a time that can be read. Without, a newer scan may hide among those that have none."""


def newest(scans: Any, time_of: Callable[[Scan], int | None], *, newest_first: bool) -> Newest:
    """The scan with the latest time.

    Where the scan at the newest end has no time that can be read, it is that one. The times tell which end that is;
    ``newest_first`` says it where they don't.
    """
    found = objects(scans)
    if not found:
        return Newest(members(None), None, certain=False)
    if len(found) > 2 * _AT_EACH_END:
        found = [*found[:_AT_EACH_END], *found[-_AT_EACH_END:]]
    moments = [time_of(scan) for scan in found]
    known = [moment for moment in moments if moment is not None]
    if known and known[0] != known[-1]:
        newest_first = known[0] > known[-1]
    order = range(len(found)) if newest_first else range(len(found) - 1, -1, -1)
    chosen = order[0]
    if moments[chosen] is not None:
        chosen = max(order, key=lambda place: -1 if (moment := moments[place]) is None else moment)
    return Newest(found[chosen], moments[chosen], certain=len(known) == len(found))
