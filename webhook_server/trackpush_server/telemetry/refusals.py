"""Counts the refusals in a row of each sender: some aggregators switch a webhook off after so many.

A sender with a known key is its account. One without is known by the key that it presents, so that two of them are not
taken for one; which client it belongs to can't be known. Counts are in memory only: a restart begins at zero.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from trackpush_api.vocabulary import slug_of

ACCOUNTS: Final = "trackpush_ingest_refusals_in_a_row"
UNKNOWN: Final = "trackpush_ingest_unknown_sender_refusals_in_a_row"
SHOWN: Final = 5
"""Refusals in a row from which an account has a series."""
_MOST_ACCOUNTS: Final = 200
"""Accounts with a series, those with most refusals first."""
_MOST_UNKNOWN: Final = 1000
"""Senders without a known key that are remembered: a bound, because anybody can be one."""
_UNKNOWN_SECONDS: Final = 3600.0
"""A sender without a known key is forgotten when it has posted nothing for so long."""


class _Unknown(NamedTuple):
    in_a_row: int
    last: float


class Refusals(Collector):
    """The counts, and their two metrics."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._accounts: dict[str, int] = {}
        self._unknown: OrderedDict[tuple[str, str], _Unknown] = OrderedDict()

    def of_account(self, account: str, *, refused: bool) -> None:
        """A request of this account was answered."""
        if refused:
            self._accounts[account] = self._accounts.get(account, 0) + 1
        elif self._accounts:
            self._accounts.pop(account, None)

    def of_unknown(self, aggregator: str, sender: str) -> None:
        """A request without a known key was refused. ``sender`` tells senders apart and reveals no key."""
        place = slug_of(aggregator), sender
        known = self._unknown.pop(place, _Unknown(0, 0.0))
        self._unknown[place] = _Unknown(known.in_a_row + 1, self._clock())
        if len(self._unknown) > _MOST_UNKNOWN:
            self._unknown.popitem(last=False)

    def retain(self, accounts: Iterable[str]) -> None:
        """Forget all other accounts."""
        if self._accounts:
            kept = frozenset(accounts)
            self._accounts = {name: count for name, count in self._accounts.items() if name in kept}

    @property
    def in_a_row(self) -> dict[str, int]:
        """Refusals in a row of each account that has a series. Thread-safe."""
        shown = [(name, count) for name, count in self._accounts.copy().items() if count >= SHOWN]
        return dict(sorted(shown, key=lambda entry: -entry[1])[:_MOST_ACCOUNTS])

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The two metrics; a scrape may call this in a thread."""
        accounts = GaugeMetricFamily(
            ACCOUNTS, "Requests of an account in a row that were not answered with 2xx, from 5 on.", labels=["account"]
        )
        for name, count in self.in_a_row.items():
            accounts.add_metric([name], count)
        unknown = GaugeMetricFamily(
            UNKNOWN,
            "Requests in a row with the same unknown key (or without any, from one address) that were refused.",
            labels=["aggregator"],
        )
        for aggregator, count in self._most_of_unknown().items():
            unknown.add_metric([aggregator], count)
        return accounts, unknown

    def _most_of_unknown(self) -> dict[str, int]:
        since = self._clock() - _UNKNOWN_SECONDS
        most: dict[str, int] = {}
        for (aggregator, _), entry in self._unknown.copy().items():
            if entry.last >= since:
                most[aggregator] = max(most.get(aggregator, 0), entry.in_a_row)
        return most
