"""Counts refused requests with an unknown key, by aggregator and host, since the start of the process.

In memory only. It keeps neither keys nor bodies, and a bounded number of hosts, because anybody can send a Host header.
"""

import time
from collections.abc import Callable
from typing import Final

import msgspec

MOST_PLACES: Final = 200
"""Pairs of aggregator and host that are counted by themselves."""
OTHER_HOSTS: Final = "other hosts"
_MOST_HOST: Final = 253
"""Characters of a host name that are kept."""


class UnknownKeyCount(msgspec.Struct, frozen=True, kw_only=True):
    """The requests to one aggregator at one host. Times are in milliseconds since the epoch."""

    aggregator: str
    host: str
    """As the request named it; `OTHER_HOSTS` for those that are not counted by themselves."""
    count: int
    first_at: int
    last_at: int


class UnknownKeyCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts, the latest request first."""

    since: int
    """Start of the count, in milliseconds since the epoch."""
    places: tuple[UnknownKeyCount, ...]


class UnknownKeys:
    """The counts of one process."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._since = self._now()
        self._places: dict[tuple[str, str], UnknownKeyCount] = {}

    def count(self, aggregator: str, host: str) -> None:
        """Count one refused request."""
        now = self._now()
        name = host[:_MOST_HOST] or "no host"
        self._add(UnknownKeyCount(aggregator=aggregator, host=name, count=1, first_at=now, last_at=now))

    def add(self, counted: UnknownKeyCounts) -> None:
        """Add the counts of another process."""
        for place in counted.places:
            self._add(place)

    def counted(self) -> UnknownKeyCounts:
        places = sorted(self._places.values(), key=lambda place: (-place.last_at, place.aggregator, place.host))
        return UnknownKeyCounts(since=self._since, places=tuple(places))

    def take(self) -> UnknownKeyCounts | None:
        """The counts since the last call, which begin again at zero; None if there are none."""
        if not self._places:
            return None
        counted, self._places = self.counted(), {}
        return counted

    def _add(self, place: UnknownKeyCount) -> None:
        key = place.aggregator, place.host
        if key not in self._places and len(self._places) >= MOST_PLACES:
            key = place.aggregator, OTHER_HOSTS
        known = self._places.get(key)
        self._places[key] = UnknownKeyCount(
            aggregator=key[0],
            host=key[1],
            count=place.count + (0 if known is None else known.count),
            first_at=place.first_at if known is None else min(known.first_at, place.first_at),
            last_at=place.last_at if known is None else max(known.last_at, place.last_at),
        )

    def _now(self) -> int:
        return int(self._wall() * 1000)
