"""While an endpoint fails: sends the next probe when it is time, and expires what on disk grows too old meanwhile."""

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
    """What probes need of their channel."""

    name: str

    @property
    def state(self) -> State:
        """The state of the endpoint."""
        ...

    @property
    def retry(self) -> Retry:
        """How its pushes are tried again."""
        ...

    @property
    def is_idle(self) -> bool:
        """Whether no attempt is under way."""
        ...

    def start(self, lane: Lane) -> None:
        """Start a lane that is marked running, out of turn."""


class Prober:
    """Of one PushConfig. Lives on one event loop."""

    __slots__ = ("_expiring", "_hub", "_owner", "_window", "timer")

    def __init__(self, owner: ProberOwner, hub: Hub, window: Window) -> None:
        self._owner = owner
        self._hub = hub
        self._window = window
        self._expiring: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        """Of the next probe; None where none is planned."""

    def plan(self, delay: float) -> None:
        """Probe after so many seconds, unless one is planned already."""
        if self.timer is None and not self._hub.stopping:
            self.timer = asyncio.get_running_loop().call_later(delay, self._send)

    def cancel(self) -> None:
        """Plan none."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    async def close(self) -> None:
        """Plan none, and give up what is under way."""
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
        # A turn may end the push without an attempt: then the next one probes.
        while owner.is_idle and not window.loading and (lane := window.next_probe()) is not None:
            window.lanes.start(lane)
            owner.start(lane)
        if owner.is_idle and not window.loading and window.has_more:
            window.refill()
            self.plan(RELOAD_AFTER_FAULT)

    def _expire(self) -> None:
        """Give up pushes on disk that are older than their maxAge."""
        if self._expiring is None:
            received_before = int((self._hub.wall() - self._owner.retry.max_age) * 1000)
            self._expiring = asyncio.get_running_loop().create_task(self._run_expiry(received_before))

    async def _run_expiry(self, received_before: int) -> None:
        journal = self._hub.journal
        try:
            await journal.expire(self._owner.name, received_before=received_before, limit=_EXPIRE_AT_ONCE)
        except JournalUnavailableError:
            pass  # the next probe tries again
        finally:
            self._expiring = None
