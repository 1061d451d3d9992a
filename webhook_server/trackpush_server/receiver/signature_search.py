"""Finds the account of a signed body that has no key, without delaying other requests.

The search is divided into steps of about a millisecond. All searches take turns, one step at a time, so that a small
body does not wait for the end of a large one; and after each step the event loop has as much time for other requests.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from trackpush_api.vocabulary import AggregatorName
from trackpush_server.receiver.keys import Match
from trackpush_server.receiver.signatures import SigningAccount, search

MOST_RECENT = 64
"""Accounts of each aggregator that are tried first, because their signature was valid most recently."""

Signers = Mapping[str, SigningAccount]
"""By account name."""


class SignatureSearch:
    """The searches of one receiver."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._turn = asyncio.Lock()
        self._clock = clock
        self._recent: dict[AggregatorName, dict[str, None]] = {}
        """Account names, most recent last."""

    async def find(
        self, aggregator: AggregatorName, signers: Signers, content: bytes, signatures: Sequence[bytes]
    ) -> Match | None:
        """The account whose secret made one of the signatures; see `search`."""
        match = await self._run(self._in_order(aggregator, signers), content, signatures)
        if match is not None:
            self._remember(aggregator, match.account.name)
        return match

    async def _run(
        self, accounts: Iterable[SigningAccount], content: bytes, signatures: Sequence[bytes]
    ) -> Match | None:
        steps = search(accounts, content, signatures)
        while True:
            async with self._turn:
                started = self._clock()
                try:
                    next(steps)
                except StopIteration as done:
                    match: Match | None = done.value
                    return match
                await asyncio.sleep(self._clock() - started)

    def _in_order(self, aggregator: AggregatorName, signers: Signers) -> Iterator[SigningAccount]:
        recent = [name for name in reversed(self._recent.get(aggregator, {})) if name in signers]
        first = [signers[name] for name in recent]
        if not first:
            return iter(signers.values())
        known = frozenset(recent)
        return chain(first, (signer for name, signer in signers.items() if name not in known))

    def _remember(self, aggregator: AggregatorName, name: str) -> None:
        recent = self._recent.setdefault(aggregator, {})
        recent.pop(name, None)
        recent[name] = None
        if len(recent) > MOST_RECENT:
            del recent[next(iter(recent))]
