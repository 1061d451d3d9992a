"""Announces changes of endpoints and accounts to people: finds them, stores them, collects and sends them.

Each round compares the current conditions with what the journal says was announced. One transaction stores the new
state with the events, so a restart neither repeats nor loses a change. Another transaction makes a message of collected
events, and each attempt of a message has the same webhook-id. With several replicas, the replica that holds the slot of
a name decides about it and sends to it; the versions of rows exclude doubles while a slot changes hands.
Without targets, nothing runs.
"""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final

import msgspec
import structlog

from trackpush_runtime.background import Background
from trackpush_server.announcing import storm
from trackpush_server.announcing.attempt import is_due
from trackpush_server.announcing.detection import Change, baseline_of
from trackpush_server.announcing.known import Known
from trackpush_server.announcing.looking import SubjectFacts, find_changes, in_slices
from trackpush_server.announcing.messages import Announcement, render
from trackpush_server.announcing.observer import AnnouncementObserver, UnreachableTarget
from trackpush_server.announcing.scope import AnnouncementScope
from trackpush_server.announcing.sending import MessageSender, with_message
from trackpush_server.journal.announcements import SubjectTotal, TargetState
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import AnnouncementStore
from trackpush_server.journal.slots import Ownership

_AT_ONCE: Final = 500
"""Changes of one transaction."""
_AFTER_FAULT: Final = 5.0
_READ_AGAIN: Final = 60_000
"""Other replicas' changes are read at least so often, in milliseconds."""
_SEEN_EVERY: Final = 3_600_000
_log = structlog.get_logger("trackpush.announcing")


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How often the announcer works."""

    every: float = 10.0
    """Seconds between two rounds."""
    widths: storm.Widths = storm.Widths()


class Announcer(Background):
    """The announcements of one server. Call `take` for each routing table."""

    def __init__(
        self,
        store: AnnouncementStore,
        sender: MessageSender,
        facts: SubjectFacts,
        ownership: Ownership,
        observer: AnnouncementObserver,
        *,
        wall: Callable[[], float] = time.time,
        pace: Pace | None = None,
        console: str | None = None,
    ) -> None:
        """``console``: URL of the console in browsers, for links in messages."""
        self._store = store
        self._sender = sender
        self._facts = facts
        self._ownership = ownership
        self._observer = observer
        self._wall = wall
        self._pace = pace or Pace()
        self._console = console
        self._scope: AnnouncementScope | None = None
        self._changed = asyncio.Event()
        self._known: Known | None = None
        self._read_at = 0
        self._held: frozenset[str] = frozenset()
        """Subjects and targets for which this process was responsible in the last round."""
        self._seen: tuple[frozenset[str], int] = (frozenset(), 0)
        """The targets that were last reported to the journal, and when."""

    def take(self, scope: AnnouncementScope | None) -> None:
        """Announce to the targets of this scope from now on; None: nobody wants announcements."""
        self._scope = scope
        self._changed.set()

    def unreachable(self) -> tuple[UnreachableTarget, ...]:
        """The configured targets that did not accept the last attempt, by name."""
        known, scope = self._known, self._scope
        if known is None or scope is None:
            return ()
        return tuple(
            UnreachableTarget(name=state.target, since=state.created_at, tries=state.tries, error=state.error)
            for _, state in sorted(known.targets.items())
            if state.error is not None and state.target in scope.targets
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start; at the end of the block, stop, and wait for attempts in flight."""
        async with super().running():
            yield
        await self._sender.stop()

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            if self._scope is None:
                self._known = None
                self._observer.waits(0)
                await self._changed.wait()
                continue
            pause = await self._guarded_round(self._scope)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._changed.wait()

    async def _guarded_round(self, scope: AnnouncementScope) -> float:
        """One round; returns the seconds until the next one."""
        try:
            await self._round(scope)
        except JournalUnavailableError:
            self._known = None  # what was stored is not known; the journal reports its own errors
            return _AFTER_FAULT
        except Exception:  # noqa: BLE001  it is logged; the announcer ends only with the server
            self._known = None
            _log.exception("announcer_failed", next_in=_AFTER_FAULT)
            return _AFTER_FAULT
        return self._pace.every

    async def _round(self, scope: AnnouncementScope) -> None:
        now = self._now()
        totals = {(total.subject, total.name): total for total in await self._store.totals()}
        mine = await self._responsible_for(scope)
        await self._adopt(scope, tuple(totals.values()), now)
        known = await self._read(mine, now)
        changes = await find_changes(mine, self._facts, known, totals, now)
        for start in range(0, len(changes), _AT_ONCE):
            if not await self._record(known, changes[start : start + _AT_ONCE]):
                self._known = None  # another replica was faster: decide again with what it stored
                self._changed.set()
                return
        await self._messages(mine, known)
        self._observer.waits(sum(state.message_id is not None for state in known.targets.values()))

    async def _responsible_for(self, scope: AnnouncementScope) -> AnnouncementScope:
        """The part of the scope for which this process is responsible: subjects, and targets to send to."""
        if self._ownership.alone:
            return scope
        holds = self._ownership.holds
        subjects = tuple([subject async for subject in in_slices(scope.subjects) if holds(subject.name)])
        targets = [target async for target in in_slices(scope.targets) if holds(target)]
        held = frozenset(targets).union(subject.name for subject in subjects)
        if held - self._held:
            self._known = None  # another replica decided about these before
        self._held = held
        return msgspec.structs.replace(scope, subjects=subjects)

    async def _adopt(self, scope: AnnouncementScope, totals: Sequence[SubjectTotal], now: int) -> None:
        """Report the targets to the journal if they are new, or an hour has passed."""
        names, (seen, at) = frozenset(scope.targets), self._seen
        if names == seen and 0 <= now - at < _SEEN_EVERY:
            return
        baseline = await asyncio.to_thread(baseline_of, scope, totals, now)
        await self._store.adopt(sorted(names), baseline, now=now)
        await self._store.tidy(now=now)
        self._seen = (names, now)
        self._known = None

    async def _read(self, scope: AnnouncementScope, now: int) -> Known:
        is_old = not self._ownership.alone and not 0 <= now - self._read_at < _READ_AGAIN
        if self._known is None or is_old:
            self._known, self._read_at = await asyncio.to_thread(Known, await self._store.read()), now
        missing = scope.targets.keys() - self._known.targets.keys()
        if missing:  # forgotten while no server was configured with them
            self._seen = (frozenset(), 0)
        return self._known

    async def _record(self, known: Known, changes: Sequence[Change]) -> bool:
        rows = [change.row for change in changes]
        events = [(change.row.target, event) for change in changes for event in change.events]
        if not await self._store.record(rows, events):
            return False
        known.recorded(rows, (target for target, _ in events))
        return True

    async def _messages(self, scope: AnnouncementScope, known: Known) -> None:
        """Make messages of collected events, and send what is due, first attempts first."""
        due = []
        async for name in in_slices(scope.targets):
            state = known.targets.get(name)
            if state is None or self._sender.is_sending(name) or not self._ownership.holds(name):
                continue
            if state.message_id is None:
                state = await self._next(scope, known, state)
            if is_due(state, self._now()):
                due.append(state)
        for state in sorted(due, key=lambda state: (state.tries, state.due_at)):
            self._send(scope, state)

    async def _next(self, scope: AnnouncementScope, known: Known, state: TargetState) -> TargetState:
        """Make the next message of a target if events were collected and no window is open."""
        now, name = self._now(), state.target
        if storm.is_collecting(state, now) or (name not in known.collecting and not state.width):
            return state
        collected = await self._store.collected(name)
        if not collected:
            after = msgspec.structs.replace(storm.closed(state), version=state.version + 1)
            return self._stored(known, after, stored=after == state or await self._store.put(after))
        message_id = f"ann_{secrets.token_hex(12)}"
        message = Announcement(
            id=message_id,
            at=now,
            server=scope.server,
            events=tuple(entry.event for entry in collected),
            console=self._console,
        )
        body = await asyncio.to_thread(render, scope.targets[name].format, message)
        after = with_message(storm.opened(state, now, self._pace.widths), message_id, now)
        stored = await self._store.put(after, body=body, includes=collected[-1].seq)
        return self._stored(known, after, stored=stored)

    def _stored(self, known: Known, after: TargetState, *, stored: bool) -> TargetState:
        if not stored:
            self._known = None  # another replica was faster
            return msgspec.structs.replace(after, message_id=None)
        known.collecting.discard(after.target)
        known.targets[after.target] = after
        return after

    def _send(self, scope: AnnouncementScope, state: TargetState) -> None:
        def done(after: TargetState | None) -> None:
            if after is None or self._known is None:
                self._known = None
            else:
                self._known.targets[after.target] = after

        self._sender.send(scope.targets[state.target], scope.egress, state, done=done)

    def _now(self) -> int:
        return int(self._wall() * 1000)
