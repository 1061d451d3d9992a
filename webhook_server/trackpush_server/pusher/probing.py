"""While an endpoint fails: when the next push probes it, and what on disk grows too old meanwhile."""

import asyncio
from collections.abc import Callable

from trackpush_server.background import end
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.pusher.hub import Hub

_EXPIRE_AT_ONCE = 1000


class Probing:
    """Of one PushConfig. Lives on one event loop."""

    __slots__ = ("_expiring", "_hub", "_probe", "_push_config", "timer")

    def __init__(self, hub: Hub, push_config: str, probe: Callable[[], None]) -> None:
        """``probe`` is called when it is time."""
        self._hub = hub
        self._push_config = push_config
        self._probe = probe
        self._expiring: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        """Of the next probe; None where none is planned."""

    def plan(self, delay: float) -> None:
        """Probe after so many seconds, unless one is planned already."""
        if self.timer is None and not self._hub.stopping:
            self.timer = asyncio.get_running_loop().call_later(delay, self._due)

    def cancel(self) -> None:
        """Plan none."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def expire(self, max_age: float) -> None:
        """Give up pushes on disk that are older than so many seconds."""
        if self._expiring is None:
            received_before = int((self._hub.wall() - max_age) * 1000)
            self._expiring = asyncio.get_running_loop().create_task(self._expire(received_before))

    async def close(self) -> None:
        """Plan none, and give up what is under way."""
        self.cancel()
        await end(self._expiring)

    def _due(self) -> None:
        self.timer = None
        self._probe()

    async def _expire(self, received_before: int) -> None:
        journal = self._hub.journal
        try:
            await journal.expire(self._push_config, received_before=received_before, limit=_EXPIRE_AT_ONCE)
        except JournalUnavailableError:
            pass  # the next probe tries again
        finally:
            self._expiring = None
