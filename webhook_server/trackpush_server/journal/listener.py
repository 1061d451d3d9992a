"""What a journal announces, and the listeners that it announces it to."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from trackpush_server.journal.model import Committed, LostCommits


def _ignore(*_: object) -> None:
    return


class JournalListener(msgspec.Struct, frozen=True, kw_only=True):
    """Callbacks, all called on the event loop. Name those that you need."""

    on_commit: Callable[[Sequence[Committed]], None] = _ignore
    """A commit stored these new updates. Called in commit order, before the future of any of their appends resolves."""
    on_batch: Callable[[float, int], None] = _ignore
    """A commit took so many seconds and stored so many rows."""
    on_state: Callable[[str | None], None] = _ignore
    """The journal became unavailable, for this reason, or available again (None)."""
    on_dropped: Callable[[str, int], None] = _ignore
    """So many unrecognised bodies of an account were deleted to keep within `InboxBounds`."""
    on_elsewhere: Callable[[str, int], None] = _ignore
    """Another replica stored pushes of this PushConfig; the second value is the lowest of their update ids."""
    on_replayed: Callable[[str, Sequence[int]], None] = _ignore
    """Another replica made these pushes of a PushConfig pending again."""
    on_erased: Callable[[frozenset[int]], None] = _ignore
    """Another replica erased these updates."""
    on_lost_commits: Callable[[LostCommits], None] = _ignore
    """The database came back without commits that were seen here. Called before anything more is stored."""


class JournalListeners:
    """The listeners of one journal."""

    def __init__(self) -> None:
        self._listeners: tuple[JournalListener, ...] = ()

    def subscribe(self, listener: JournalListener) -> None:
        """Announce everything to this listener, too, after those that subscribed before it."""
        self._listeners = (*self._listeners, listener)

    def announce(self, call: Callable[[JournalListener], None]) -> None:
        """Call each listener. One that fails is reported to the event loop, and the others are still called."""
        for listener in self._listeners:
            try:
                call(listener)
            except Exception as error:  # noqa: BLE001  what is announced has happened: no listener can stop it
                context = {"message": "a listener of the journal failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    def bodies_dropped(self, dropped: Mapping[str, int]) -> None:
        """Announce how many unrecognised bodies were deleted, by account."""
        for account, count in dropped.items():
            self.announce(partial(_bodies_dropped, account, count))


def _bodies_dropped(account: str, count: int, listener: JournalListener) -> None:
    listener.on_dropped(account, count)
