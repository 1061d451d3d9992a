"""A work queue: each key is handled at most once at a time, failed keys later, and no lane delays another.

The rules are those of client-go's workqueue: equal keys merge, and a key that is added while it is being handled is
handled again. One rule is added: keys are taken from the lanes in turn, so a tenant with thousands of changes delays
another tenant's change by only one key.
"""

import asyncio
import heapq
import random
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 300.0
_MOST_DOUBLINGS: Final = 12

K = TypeVar("K", bound=Hashable)
Lane = Callable[[K], Hashable]


def delay_after(failures: int, jitter: float) -> float:
    """Seconds to wait after this many failures in a row; ``jitter`` from 0 to 1."""
    base = min(_FIRST_DELAY * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), _LONGEST_DELAY)
    return base * (0.75 + 0.5 * jitter)


class WorkQueue(Generic[K]):
    """The queue, on one event loop."""

    def __init__(self, lane: Lane[K], *, jitter: Callable[[], float] = random.random) -> None:
        self._lane = lane
        self._jitter = jitter
        self._lanes: OrderedDict[Hashable, deque[K]] = OrderedDict()
        self._waiting: set[K] = set()
        """Number of waiting keys in a lane."""
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        self._numbers = 0
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._moved = 0.0
        self._since: dict[K, float] = {}
        """For each key: since when it waits for its first successful handling."""

    def __len__(self) -> int:
        return len(self._waiting) + len(self._due)

    @property
    def is_idle(self) -> bool:
        """Whether no key is due and none is in progress."""
        return not self._waiting and not self._working and not self._again

    def add(self, key: K, *, delay: float = 0.0) -> None:
        """Enqueue a key, now or after this many seconds; if it is already queued, the earlier time counts."""
        if delay > 0:
            self._add_later(key, delay)
        elif key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._due.pop(key, None)
            self._since.setdefault(key, _now())
            if self.is_idle:
                self._moved = _now()
            self._idle.clear()
            self._waiting.add(key)
            self._lanes.setdefault(self._lane(key), deque()).append(key)
            self._wake.set()

    def _add_later(self, key: K, delay: float) -> None:
        due = _now() + delay
        if key in self._waiting or self._due.get(key, due + 1) <= due:
            return
        self._due[key] = due
        self._numbers += 1
        heapq.heappush(self._later, (due, self._numbers, key))
        self._wake.set()

    async def take(self) -> K:
        """Take the next key, lanes in turn; `done` or `failed` must follow."""
        while True:
            pause = self._ripen()
            if self._lanes:
                return self._pop()
            self._wake.clear()
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def _ripen(self) -> float | None:
        """Move keys that are due to their lanes; returns the seconds until the next one is due."""
        now = _now()
        while self._later:
            due, _, key = self._later[0]
            if self._due.get(key) != due:
                # the key was meanwhile added for an earlier time, or handled and added again
                heapq.heappop(self._later)
                continue
            if due > now:
                return due - now
            heapq.heappop(self._later)
            del self._due[key]
            self.add(key)
        return None

    def _pop(self) -> K:
        lane, keys = self._lanes.popitem(last=False)
        key = keys.popleft()
        if keys:
            self._lanes[lane] = keys  # the lane goes to the end of the queue of lanes
        self._waiting.discard(key)
        self._working.add(key)
        return key

    def done(self, key: K) -> None:
        """Call after the handling of a key succeeded."""
        self._failures.pop(key, None)
        self._since.pop(key, None)
        self._finish(key)

    def failed(self, key: K) -> float:
        """Call after the handling of a key failed.

        It is retried after a growing delay, which is returned in seconds.
        """
        self._failures[key] = failures = self._failures.get(key, 0) + 1
        delay = delay_after(failures, self._jitter())
        self._finish(key)
        self.add(key, delay=delay)
        return delay

    def _finish(self, key: K) -> None:
        self._moved = _now()
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)
        elif self.is_idle:
            self._idle.set()

    def hurry(self) -> None:
        """Retry failed keys now, because the cause of their failure is probably over."""
        for key in [key for key in self._failures if key in self._due]:
            self.add(key)

    async def until_idle(self) -> None:
        """Wait until no key is due."""
        await self._idle.wait()

    def stalled(self) -> float:
        """Seconds for which there has been work but no progress."""
        return 0.0 if self.is_idle else _now() - self._moved

    def age(self) -> float:
        """Age in seconds of the oldest key that has not succeeded; a failed key keeps its age."""
        return max(0.0, _now() - min(self._since.values())) if self._since else 0.0


async def work(
    queue: WorkQueue[K], handle: Callable[[K], Awaitable[None]], failed: Callable[[K, Exception], None]
) -> None:
    """Handle keys until cancelled; several workers may share one queue.

    ``failed`` reports failures and must not raise.
    """
    while True:
        key = await queue.take()
        try:
            await handle(key)
        except Exception as error:  # noqa: BLE001  one key's trouble is never another's
            queue.failed(key)
            failed(key, error)
        except BaseException:
            queue.failed(key)
            raise
        else:
            queue.done(key)


def _now() -> float:
    return asyncio.get_running_loop().time()
