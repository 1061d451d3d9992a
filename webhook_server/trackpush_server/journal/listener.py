"""Callbacks for the journal's events."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import msgspec

from trackpush_server.journal.model import Committed, LostCommits


def _ignore(*_: object) -> None:
    return


class JournalListener(msgspec.Struct, frozen=True, kw_only=True):
    """Callbacks; all run on the event loop. Set only those that you need."""

    on_commit: Callable[[Sequence[Committed]], None] = _ignore
    """A commit stored these new updates. Called in commit order, before the futures of their appends resolve."""
    on_arrived: Callable[[Mapping[str, int]], None] = _ignore
    """A commit stored updates, or found them stored (duplicates); argument: by account, when the latest arrived."""
    on_batch: Callable[[float, int], None] = _ignore
    """A commit ended; arguments: its duration in seconds and its rows."""
    on_state: Callable[[str | None], None] = _ignore
    """The state changed; argument: why the journal is unavailable, or None when it is available."""
    on_dropped: Callable[[str, int], None] = _ignore
    """Unrecognised bodies were deleted to stay within `InboxBounds`; arguments: the account and their number."""
    on_elsewhere: Callable[[str, int], None] = _ignore
    """Another replica stored pushes; arguments: the PushConfig and the lowest of their update ids."""
    on_replayed: Callable[[str, Sequence[int]], None] = _ignore
    """Another replica made pushes pending again; arguments: the PushConfig and the update ids."""
    on_erased: Callable[[frozenset[int]], None] = _ignore
    """Another replica erased updates; argument: their ids."""
    on_lost_commits: Callable[[LostCommits], None] = _ignore
    """The database lost commits that this process had seen. Called before the next write."""


class JournalListeners:
    """The listeners of one journal."""

    def __init__(self) -> None:
        self._listeners: tuple[JournalListener, ...] = ()

    def subscribe(self, listener: JournalListener) -> None:
        """Add a listener; listeners are called in the order of subscription."""
        self._listeners = (*self._listeners, listener)

    def announce(self, call: Callable[[JournalListener], None]) -> None:
        """Call each listener. An exception goes to the event loop's handler, and the other listeners are called."""
        for listener in self._listeners:
            try:
                call(listener)
            except Exception as error:  # noqa: BLE001  the event has happened: one listener can't stop the others
                context = {"message": "a listener of the journal failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    def bodies_dropped(self, dropped: Mapping[str, int]) -> None:
        """Announce how many unrecognised bodies were deleted, by account."""
        for account, count in dropped.items():
            self.announce(partial(_bodies_dropped, account, count))


def _bodies_dropped(account: str, count: int, listener: JournalListener) -> None:
    listener.on_dropped(account, count)
