"""While an endpoint fails, sends probes, and expires old pushes that are only on disk."""

import asyncio
from typing import Protocol

from trackpush_api.routing import Retry
from trackpush_runtime.background import end
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.pusher.hub import PAUSE, RELOAD_AFTER_FAULT, Hub
from trackpush_server.pusher.lanes import Lane
from trackpush_server.pusher.state import State
from trackpush_server.pusher.window import Window

_EXPIRE_AT_ONCE = 1000


class ProberOwner(Protocol):
    """The part of the channel that the prober uses."""

    name: str

    @property
    def state(self) -> State:
        """The state of the endpoint."""
        ...

    @property
    def retry(self) -> Retry:
        """The retry policy."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is in flight."""
        ...

    def start(self, lane: Lane) -> None:
        """Send the head of a lane that is already marked running, out of order."""


class Prober:
    """Probes the endpoint of one PushConfig, on one event loop."""

    __slots__ = ("_expiring", "_hub", "_owner", "_window", "timer")

    def __init__(self, owner: ProberOwner, hub: Hub, window: Window) -> None:
        self._owner = owner
        self._hub = hub
        self._window = window
        self._expiring: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        """Timer of the next probe; None if none is planned."""

    def plan(self, delay: float) -> None:
        """Send a probe after ``delay`` seconds, unless one is already planned."""
        if self.timer is None and not self._hub.stopping:
            self.timer = asyncio.get_running_loop().call_later(delay, self._send)

    def cancel(self) -> None:
        """Cancel the planned probe."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    async def close(self) -> None:
        """Cancel the planned probe and a running expiry."""
        self.cancel()
        await end(self._expiring)

    def _send(self) -> None:
        self.timer = None
        owner, window = self._owner, self._window
        if owner.state is not State.OPEN or self._hub.stopping:
            return
        if not self._hub.may_start:
            self.plan(PAUSE)
            return
        if window.has_more:
            self._expire()
        # `start` may end a push without an attempt (if it has expired); then probe with the next push.
        while owner.is_idle and not window.loading and (lane := window.next_probe()) is not None:
            window.lanes.start(lane)
            owner.start(lane)
        if owner.is_idle and not window.loading and window.has_more:
            window.refill()
            self.plan(RELOAD_AFTER_FAULT)

    def _expire(self) -> None:
        """Mark pushes on disk that are older than maxAge as dead."""
        if self._expiring is None:
            received_before = int((self._hub.wall() - self._owner.retry.max_age) * 1000)
            self._expiring = asyncio.get_running_loop().create_task(self._run_expiry(received_before))

    async def _run_expiry(self, received_before: int) -> None:
        journal = self._hub.journal
        try:
            number = await journal.expire(self._owner.name, received_before=received_before, limit=_EXPIRE_AT_ONCE)
            self._hub.observer.expired(self._owner.name, number)
        except JournalUnavailableError:
            pass  # the next probe tries again
        finally:
            self._expiring = None
