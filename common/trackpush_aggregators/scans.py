"""Finds the newest scan in a shipment's history."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from trackpush_aggregators.values import members, objects, text

_AT_EACH_END = 500
"""Scans that are looked at; a history has tens, and a body may hold tens of thousands."""
_DAYS = r"20[0-9]{2}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
_USUAL_TIMES = re.compile(rf"(?:{_DAYS} (?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\n)+")
"""Times that exist, in the form that scans usually have; February 29 is left to the slow way."""
_LENGTH = len("2023-05-19 11:59:16\n")

Scan = Mapping[str, Any]


class Newest(NamedTuple):
    """The newest scan (empty if there is none), and its time."""

    scan: Scan
    moment: int | None
    certain: bool
    """Whether every scan has a time that can be read. Without, a newer scan may hide among those that have none."""


def newest(scans: Any, name: str, moment_of: Callable[[str | None], int | None], *, newest_first: bool) -> Newest:
    """The scan with the latest time; ``name`` is the member that holds the time, ``moment_of`` reads it.

    If the scan at the newest end has no readable time, it is that one. The times show which end is the newest;
    ``newest_first`` decides if they don't.
    """
    found = objects(scans)
    if not found:
        return Newest(members(None), None, certain=False)
    if len(found) > 2 * _AT_EACH_END:
        found = [*found[:_AT_EACH_END], *found[-_AT_EACH_END:]]
    written = [scan.get(name) for scan in found]
    return _by_text(found, written, moment_of, newest_first=newest_first) or _by_moment(
        found, [moment_of(text(given)) for given in written], newest_first=newest_first
    )


def _by_text(
    found: Sequence[Scan], written: list[Any], moment_of: Callable[[str | None], int | None], *, newest_first: bool
) -> Newest | None:
    """The newest scan, if all times have the usual form: then their texts sort as the times do, and only one is read.

    None if they don't, or if the latest time is not accepted.
    """
    try:
        lines = "\n".join(written) + "\n"
    except TypeError:
        return None
    if len(lines) != _LENGTH * len(written) or _USUAL_TIMES.fullmatch(lines) is None:
        return None
    latest = max(written)
    moment = moment_of(latest)
    if moment is None:
        return None
    if written[0] != written[-1]:
        newest_first = written[0] > written[-1]
    place = written.index(latest) if newest_first else len(written) - 1 - written[::-1].index(latest)
    return Newest(found[place], moment, certain=True)


def _by_moment(found: Sequence[Scan], moments: list[int | None], *, newest_first: bool) -> Newest:
    known = [moment for moment in moments if moment is not None]
    if known and known[0] != known[-1]:
        newest_first = known[0] > known[-1]
    order = range(len(found)) if newest_first else range(len(found) - 1, -1, -1)
    chosen = order[0]
    if moments[chosen] is not None:
        chosen = max(order, key=lambda place: -1 if (moment := moments[place]) is None else moment)
    return Newest(found[chosen], moments[chosen], certain=len(known) == len(found))
