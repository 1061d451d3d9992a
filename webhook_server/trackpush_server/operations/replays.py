"""Replay: sends ended pushes again, and pushes updates that a filter had dropped."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Final, Literal, Protocol

import msgspec

from trackpush_api.routing import RoutingTable
from trackpush_server.ids import parse_push_id, push_config_tag, push_id
from trackpush_server.journal import error_class
from trackpush_server.journal.model import EndedPush, PushState, Selection
from trackpush_server.journal.ports import ReplayStore
from trackpush_server.journal.search import MOST_ROWS, JournalSearch, PushQuery
from trackpush_server.operations.filtered import FilteredUpdates
from trackpush_server.operations.held_back import held_back
from trackpush_server.operations.jobs import Jobs, JobView
from trackpush_server.pusher.observer import ChannelSnapshot

STEP = 500
"""Pushes per commit; new updates wait for at most one such commit."""
MOST_IDS = 1000

ErrorName = Annotated[str, msgspec.Meta(pattern=error_class.PATTERN)]
"""A class of errors, see `trackpush_server.journal.error_class`."""
StateName = Literal["dead", "delivered", "dropped", "filtered"]
FILTERED: Final = "filtered"
"""Not a state of a push: the update was stored without a push, and the current filter accepts it."""


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Selects pushes. Absent fields accept all; one of ids, awb, client, pushConfig and errors is needed."""

    ids: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_IDS)] = ()
    awb: str | None = None
    client: str | None = None
    """A namespace."""
    push_config: str | None = None
    """``namespace/name``."""
    states: Annotated[tuple[StateName, ...], msgspec.Meta(min_length=1)] = ("dead",)
    """``filtered`` selects updates without a push for a PushConfig whose current filter accepts them.

    It can't be combined with ids.
    """
    since: datetime | None = None
    """Only pushes of updates received at or after this time, RFC 3339."""
    until: datetime | None = None
    """Only pushes of updates received before this time, RFC 3339."""
    ended_since: datetime | None = None
    """Only pushes that ended at or after this time, RFC 3339."""
    ended_until: datetime | None = None
    """Only pushes that ended before this time, RFC 3339."""
    errors: tuple[ErrorName, ...] = ()
    """Only pushes whose error is of one of these classes: ``4xx``, ``422``, ``timeout``, ``too-old``."""
    dry_run: bool = False

    def concerns(self, push_config: str) -> bool:
        """Whether the replay may include pushes of this PushConfig."""
        if self.push_config not in {None, push_config}:
            return False
        return self.client is None or push_config.startswith(f"{self.client}/")

    def accepts(self, push: EndedPush) -> bool:
        """Whether the push ended in the requested time and with a requested error."""
        since, until = _milliseconds(self.ended_since), _milliseconds(self.ended_until)
        if since is not None and (push.ended_at is None or push.ended_at < since):
            return False
        if until is not None and (push.ended_at is None or push.ended_at >= until):
            return False
        return error_class.matches(self.errors, push.error)

    @property
    def is_about_ended_pushes(self) -> bool:
        """Whether only pushes that have ended can match."""
        return self.ended_since is not None or self.ended_until is not None


class ReplayView(JobView, kw_only=True):
    """A replay and its progress."""

    dry_run: bool
    found: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    """Number of pushes by PushConfig and state."""
    replayed: int = 0
    unreadable: int = 0
    """Updates whose notification or body can't be read, so that the filter can't be applied to them."""
    pending: dict[str, int] = msgspec.field(default_factory=dict)
    """By PushConfig: selected pushes that are already pending, so they need no replay. Counted up to 1,000."""
    waiting: dict[str, str] = msgspec.field(default_factory=dict)
    """By PushConfig: why its pending pushes are not being sent now. Absent if they are being sent."""


class PushReplayer(Protocol):
    """The dispatcher's port for replays."""

    def snapshot(self) -> tuple[ChannelSnapshot, ...]:
        """The state of the delivery of each PushConfig."""
        ...

    def rescan(self, push_config: str, replayed: Iterable[int]) -> None:
        """Read these pushes, which are pending again on disk."""
        ...


class Replays:
    """The replays of one server."""

    def __init__(
        self,
        store: ReplayStore,
        search: JournalSearch,
        pusher: PushReplayer,
        table: Callable[[], RoutingTable | None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._search = search
        self._filtered = FilteredUpdates(store, table, wall)
        self._pusher = pusher
        self._wall = wall
        self.jobs: Jobs[ReplayView] = Jobs("replay", wall)

    def start(self, request: ReplayRequest) -> ReplayView:
        """Start a replay.

        Raises:
            ValueError: the request selects nothing, or contains an invalid push id; the message is for people.
            TooManyJobsError: too many jobs are running.
        """
        ids = self.check(request)
        now = int(self._wall() * 1000)
        view = ReplayView(id=self.jobs.new_id(), begun_at=now, dry_run=request.dry_run)
        self.jobs.start(view, lambda view: self._work(view, request, ids))
        return view

    def check(self, request: ReplayRequest) -> list[tuple[bytes, str]]:
        """Check that the replay can start, and return the updates and PushConfigs of its ids.

        Raises:
            ValueError: see `start`.
            TooManyJobsError: see `start`.
        """
        ids = [parse_push_id(identifier) for identifier in request.ids]
        if not (ids or request.awb or request.client or request.push_config or request.errors):
            raise ValueError("name what to replay: ids, awb, client, pushConfig or errors")
        if FILTERED in request.states and (request.errors or request.is_about_ended_pushes):
            raise ValueError(
                "state filtered can't be combined with errors, endedSince and endedUntil: such updates have no push"
            )
        if ids and FILTERED in request.states:
            raise ValueError(
                "state filtered can't be combined with ids (such updates have no push); name awb, client or pushConfig"
            )
        self.jobs.check()
        return ids

    def refresh(self, view: ReplayView) -> ReplayView:
        """The view with the current reasons why its pushes wait."""
        snapshots = {snapshot.push_config: snapshot for snapshot in self._pusher.snapshot()}
        reasons = {name: held_back(snapshots.get(name)) for name in sorted({*view.found, *view.pending})}
        view.waiting = {name: reason for name, reason in reasons.items() if reason is not None}
        return view

    async def _work(self, view: ReplayView, request: ReplayRequest, ids: list[tuple[bytes, str]]) -> None:
        for push_config in filter(request.concerns, await self._store.push_configs()):
            tag = push_config_tag(push_config)
            keys = tuple(key for key, found in ids if found == tag) if ids else None
            if keys != ():
                await self._count_pending(view, push_config, request, keys)
                selection = _selection(request, view.begun_at, keys)
                if selection.states:
                    await self._replay(view, push_config, request, selection)
        if FILTERED in request.states:
            for push_config in filter(request.concerns, sorted(self._filtered.push_configs())):
                await self._push_filtered(view, push_config, request)

    async def _count_pending(
        self, view: ReplayView, push_config: str, request: ReplayRequest, keys: tuple[bytes, ...] | None
    ) -> None:
        """Count the selected pushes that are pending before the replay changes any push."""
        if request.is_about_ended_pushes:
            return
        if keys is None:
            query = PushQuery(
                push_config=push_config,
                awbs=() if request.awb is None else (request.awb,),
                state=PushState.PENDING,
                since=_milliseconds(request.since),
                until=_milliseconds(request.until),
                errors=request.errors,
                limit=MOST_ROWS,
            )
            pending = len((await self._search.list_pushes(query)).rows)
        else:
            details = [await self._search.show(push_id(key, push_config)) for key in keys]
            pending = sum(detail is not None and detail.push.state is PushState.PENDING for detail in details)
        if pending:
            view.pending[push_config] = pending

    async def _push_filtered(self, view: ReplayView, push_config: str, request: ReplayRequest) -> None:
        until = _until(request, view.begun_at)
        since = _milliseconds(request.since)
        async for page in self._filtered.pages(push_config, awb=request.awb, since=since, until=until):
            view.unreadable += page.unreadable
            if page.update_ids:
                _count(view, push_config, FILTERED, len(page.update_ids))
                if not view.dry_run:
                    now = max(int(self._wall() * 1000), view.begun_at)
                    view.replayed += await self._store.add_pushes(push_config, page.update_ids, now=now)
                    self._pusher.rescan(push_config, page.update_ids)

    async def _replay(self, view: ReplayView, push_config: str, request: ReplayRequest, selection: Selection) -> None:
        after = 0
        while True:
            found = await self._store.ended(push_config, selection, after=after, limit=STEP)
            wanted = [push for push in found if request.accepts(push)]
            for state, number in Counter(push.state for push in wanted).items():
                _count(view, push_config, state.name.lower(), number)
            if wanted and not view.dry_run:
                ids = [push.update_id for push in wanted]
                view.replayed += await self._store.replay(
                    push_config, ids, now=max(int(self._wall() * 1000), view.begun_at), replayed_before=view.begun_at
                )
                self._pusher.rescan(push_config, ids)
            if len(found) < STEP:
                return
            after = found[-1].update_id


def _count(view: ReplayView, push_config: str, state: str, number: int) -> None:
    states = view.found.setdefault(push_config, {})
    states[state] = states.get(state, 0) + number


def _selection(request: ReplayRequest, begun_at: int, keys: tuple[bytes, ...] | None) -> Selection:
    return Selection(
        states=tuple(PushState[state.upper()] for state in request.states if state != FILTERED),
        keys=keys,
        awb=request.awb,
        since=_milliseconds(request.since),
        until=_until(request, begun_at),
        replayed_before=begun_at,
    )


def _until(request: ReplayRequest, begun_at: int) -> int | None:
    return begun_at + 1 if request.until is None else _milliseconds(request.until)


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
