"""Finds the account of a signed body that has no key, without delaying other requests.

The accounts whose signatures were valid most recently are tried at once. A stranger can cause all other searches, so
they are divided into steps of less than a millisecond. Searches take turns, one step at a time, so a small body does
not wait until a large one is searched for. After a step without a match, no search continues for three times as long
as the step took: searches take at most a quarter of the time.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

from trackpush_api.vocabulary import AggregatorName
from trackpush_server.receiver.keys import Match
from trackpush_server.receiver.signatures import SigningAccount, search
from trackpush_server.receiver.turns import in_turns

MOST_RECENT = 64
"""Accounts of each aggregator that are tried first, because their signature was valid most recently."""

AT_ONCE = 16
"""So many of them are tried without waiting for a turn, if the body is small."""
AT_ONCE_BYTES = 16 * 1024
_PAUSE = 3.0
"""Pause after a step, as a multiple of its duration."""

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
        recent = [name for name in reversed(self._recent.get(aggregator, {})) if name in signers]
        at_once = recent[:AT_ONCE] if len(content) <= AT_ONCE_BYTES else []
        match = await in_turns(search([signers[name] for name in at_once], content, signatures)) if at_once else None
        if match is None:
            match = await self._in_turns_of_all(_others(signers, recent, at_once), content, signatures)
        if match is not None:
            self._remember(aggregator, match.account.name)
        return match

    async def _in_turns_of_all(
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
                    if match is None:
                        await self._pause(started)
                    return match
                await self._pause(started)

    async def _pause(self, started: float) -> None:
        await asyncio.sleep(_PAUSE * (self._clock() - started))

    def _remember(self, aggregator: AggregatorName, name: str) -> None:
        recent = self._recent.setdefault(aggregator, {})
        recent.pop(name, None)
        recent[name] = None
        if len(recent) > MOST_RECENT:
            del recent[next(iter(recent))]


def _others(signers: Signers, recent: Sequence[str], tried: Sequence[str]) -> Iterator[SigningAccount]:
    """The accounts that were not tried, recent ones first."""
    first = (signers[name] for name in recent[len(tried) :])
    known = frozenset(recent)
    return chain(first, (signer for name, signer in signers.items() if name not in known))
