"""The live tail: updates and attempts as they happen. It costs nothing while nobody watches it."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import msgspec

from trackpush_server.ids import push_id
from trackpush_server.journal.model import Committed, Outcome

MOST_OF_A_ROLE = 20
"""Maximum number of watchers of one role, so that the role view leaves room for the role operate."""
MOST_OF_AN_ACTOR = 10
MOST_QUEUED = 500
"""Maximum number of events waiting for one watcher; further events are counted but not kept."""


class TailEvent(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A stored update, or an attempt that ended. Times are in milliseconds since the epoch."""

    kind: Literal["update", "attempt"]
    at: int
    client: str
    account: str | None = None
    push_config: str | None = None
    push_id: str | None = None
    shipment: str | None = None
    awb: str | None = None
    status: str | None = None
    late: bool = False
    pushes: tuple[str, ...] = ()
    """For an update: the PushConfigs that get a push."""
    push_ids: tuple[str, ...] = ()
    """For an update: the ids of these pushes, in the same order."""
    state: str | None = None
    """For an attempt: the state of its push afterwards."""
    tries: int | None = None
    http_status: int | None = None
    error: str | None = None
    duration_ms: float | None = None


class TooManyWatchersError(Exception):
    """Too many people already watch the live tail."""


class Watcher:
    """One open live tail."""

    def __init__(self, wanted: Callable[[TailEvent], bool], *, actor: str, role: str) -> None:
        self.actor = actor
        self.role = role
        self._wanted = wanted
        self._queue: asyncio.Queue[TailEvent] = asyncio.Queue(MOST_QUEUED)
        self.missed = 0

    def offer(self, event: TailEvent) -> None:
        """Keep the event if the watcher selected it and there is room."""
        if self._wanted(event):
            try:
                self._queue.put_nowait(event)
            except asyncio.QueueFull:
                self.missed += 1

    async def next(self, timeout: float) -> TailEvent | None:  # noqa: ASYNC109  a heartbeat, not a deadline
        """The next event; None if there was none within this many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                return await self._queue.get()
        return None


class Tail:
    """All open live tails of one server."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._watchers: set[Watcher] = set()

    @contextlib.contextmanager
    def watching(self, wanted: Callable[[TailEvent], bool], *, actor: str, role: str) -> Iterator[Watcher]:
        """Watch the selected events until the block ends; ``actor`` and ``role`` belong to the person.

        Raises:
            TooManyWatchersError: the message says what to do.
        """
        if sum(watcher.actor == actor for watcher in self._watchers) >= MOST_OF_AN_ACTOR:
            raise TooManyWatchersError(f"{actor} already has {MOST_OF_AN_ACTOR} live tails open; close one of them")
        if sum(watcher.role == role for watcher in self._watchers) >= MOST_OF_A_ROLE:
            raise TooManyWatchersError(
                f"people with the role {role} have {MOST_OF_A_ROLE} live tails open; close one of them"
            )
        watcher = Watcher(wanted, actor=actor, role=role)
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def committed(self, committed: Sequence[Committed]) -> None:
        if not self._watchers:
            return
        for entry in committed:
            update = entry.update
            pushes = tuple(push.push_config for push in update.pushes if push.push_config not in entry.dropped)
            self._tell(
                TailEvent(
                    kind="update",
                    at=update.received_at,
                    client=_client(update.account),
                    account=update.account,
                    shipment=update.shipment,
                    awb=update.awb,
                    status=update.status,
                    late=bool(entry.late),
                    pushes=pushes,
                    push_ids=tuple(push_id(update.key, name) for name in pushes),
                )
            )

    def recorded(self, key: bytes, shipment: str, outcome: Outcome) -> None:
        """Called when an attempt ended, or a push ended without an attempt."""
        if not self._watchers:
            return
        self._tell(
            TailEvent(
                kind="attempt",
                at=int(self._wall() * 1000),
                client=_client(outcome.push_config),
                push_config=outcome.push_config,
                push_id=push_id(key, outcome.push_config),
                shipment=shipment,
                state=outcome.state.name.lower(),
                tries=outcome.tries,
                http_status=outcome.http_status,
                error=outcome.error,
                duration_ms=round(outcome.duration_ms, 1),
            )
        )

    def _tell(self, event: TailEvent) -> None:
        for watcher in self._watchers:
            watcher.offer(event)


def _client(name: str) -> str:
    return name.partition("/")[0]
