"""Counts updates and pushes, and adds the counts to the journal every few seconds. docs/overview.md.

Counting is one addition to a dictionary for each event. A server that stops adds what it has counted; a server that is
killed loses the counts since the last addition, never updates or pushes.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from trackpush_api.routing import RoutingTable
from trackpush_api.vocabulary import AggregatorName
from trackpush_runtime.background import Background
from trackpush_server.journal.model import Committed, JournalUnavailableError
from trackpush_server.journal.ports import RollupStore
from trackpush_server.journal.rollups import HOUR, NewTally, RollupSubject, Tallied, TallyRow
from trackpush_server.journal.search import JournalSearch

EVERY_SECONDS: Final = 10.0
"""Between two additions; bounds what a killed server loses."""
_SECONDS_PER_ROW: Final = 0.005
"""With thousands of clients additions are rarer, so that they take less than a percent of a CPU."""
_AT_ONCE: Final = 500
"""Rows of one addition, which takes milliseconds."""
_FRESH_SECONDS: Final = 10.0
"""How long the sums are kept in memory, because several pages show them."""
_SHARE: Final = 0.02
"""Maximum share of the reader's time: with thousands of clients reading takes longer."""


class RollupCounts(Background):
    """The counts that are not in the journal yet, and the sums that are."""

    def __init__(
        self,
        store: RollupStore,
        lookup: JournalSearch,
        *,
        served: Callable[[], RoutingTable | None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``served`` returns the routing table, which tells the aggregator of each account."""
        self._wall = wall
        self._served = served
        self._store = store
        self._lookup = lookup
        self._received: Counter[tuple[str, str]] = Counter()
        """Updates by account and status."""
        self._pushes: Counter[tuple[str, str]] = Counter()
        """Ends and failed attempts of pushes by PushConfig and field of `Tallied`."""
        self._rest: list[NewTally] = []
        """Not added yet."""
        self._rest_at = 0
        self._rows = 0
        """Number of rows of the last addition."""
        self._merged_at = 0
        self._sums: tuple[TallyRow, ...] = ()
        self._read_at = float("-inf")
        self._took = 0.0
        self._adding = asyncio.Lock()

    def committed(self, committed: Sequence[Committed]) -> None:
        received = self._received
        for entry in committed:
            received[entry.update.account, entry.update.status] += 1

    def failed(self, push_config: str) -> None:
        """An attempt failed."""
        self._pushes[push_config, "failed"] += 1

    def ended(self, push_config: str, state: str, number: int = 1) -> None:
        if state in {"delivered", "dead"}:
            self._pushes[push_config, state] += number

    async def sums(self) -> tuple[TallyRow, ...]:
        """The sums of the last day and week, read now or a moment ago.

        Raises:
            JournalUnavailableError: the journal can't be read.
        """
        if time.monotonic() - self._read_at >= max(_FRESH_SECONDS, self._took / _SHARE):
            if len(self._received) + len(self._pushes) <= _AT_ONCE:
                with contextlib.suppress(JournalUnavailableError):  # what was counted is added later
                    await self.flush()
            begun = time.monotonic()
            self._sums = await self._lookup.rollups(now=int(self._wall() * 1000))
            self._read_at = time.monotonic()
            self._took = self._read_at - begun
        return self._sums

    async def flush(self) -> None:
        """Add the counts to the journal.

        Raises:
            JournalUnavailableError: they are kept, and added later.
        """
        async with self._adding:
            await self._add_rest()
            self._rest = list(tallies(self._received, self._pushes, _aggregators(self._served(), self._received)))
            self._received, self._pushes = Counter(), Counter()
            self._rest_at = int(self._wall() * 1000) // HOUR * HOUR
            self._rows = len(self._rest)
            await self._add_rest()

    async def _add_rest(self) -> None:
        """Add in slices, so that no commit takes long."""
        while self._rest:
            await self._store.add(self._rest[:_AT_ONCE], at=self._rest_at)
            del self._rest[:_AT_ONCE]

    async def stop(self) -> None:
        async with self._adding:  # a slice whose addition is cancelled might be added twice
            await super().stop()
        with contextlib.suppress(JournalUnavailableError):  # the journal reports its own errors
            await self.flush()

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(max(EVERY_SECONDS, self._rows * _SECONDS_PER_ROW))
            with contextlib.suppress(JournalUnavailableError):  # the journal reports its own errors
                await self.flush()
                await self._merge()

    async def _merge(self) -> None:
        """Merge old rows once an hour, and at the start."""
        now = int(self._wall() * 1000)
        if abs(now - self._merged_at) >= HOUR:
            await self._store.merge(now=now)
            self._merged_at = now


def tallies(
    received: Mapping[tuple[str, str], int],
    pushes: Mapping[tuple[str, str], int],
    aggregators: Mapping[str, AggregatorName],
) -> tuple[NewTally, ...]:
    """The numbers to add to the journal; ``aggregators`` has the aggregator of each account that is served."""
    found: dict[tuple[RollupSubject, str], Counter[str]] = {}
    for (account, status), number in received.items():
        aggregator = aggregators.get(account, "")
        for place in ((RollupSubject.ACCOUNT, account), (RollupSubject.STATUS, f"{aggregator}/{status}")):
            found.setdefault(place, Counter())["received"] += number
    for (push_config, field), number in pushes.items():
        found.setdefault((RollupSubject.PUSH_CONFIG, push_config), Counter())[field] += number
    return tuple(
        NewTally(subject=subject, name=name, tallied=Tallied(**counts)) for (subject, name), counts in found.items()
    )


def _aggregators(table: RoutingTable | None, received: Mapping[tuple[str, str], int]) -> dict[str, AggregatorName]:
    wanted = {account for account, _ in received}
    if table is None or not wanted:
        return {}
    return {account.name: account.aggregator for account in table.accounts if account.name in wanted}
