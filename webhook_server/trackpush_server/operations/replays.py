"""Replay: ended pushes are sent once more."""

import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Literal, Protocol

import msgspec

from trackpush_server.ids import parse_push_id, push_config_tag
from trackpush_server.journal.port import Ended, Journal, PushState, Selection
from trackpush_server.operations.jobs import Jobs, JobView

STEP = 500
"""Pushes per commit: ingest waits for one such commit at most."""
MOST_IDS = 1000

StateName = Literal["dead", "delivered", "dropped"]


class ReplayRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Which pushes. Absent fields accept all, but one of ids, awb, client and pushConfig is needed."""

    ids: Annotated[tuple[str, ...], msgspec.Meta(max_length=MOST_IDS)] = ()
    awb: str | None = None
    client: str | None = None
    """A namespace."""
    push_config: str | None = None
    """``namespace/name``."""
    states: Annotated[tuple[StateName, ...], msgspec.Meta(min_length=1)] = ("dead",)
    since: datetime | None = None
    """Received at or after this time, RFC 3339."""
    until: datetime | None = None
    """Received before it."""
    dry_run: bool = False


class ReplayView(JobView, kw_only=True):
    """A replay and how far it is."""

    dry_run: bool
    found: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    """By PushConfig and state."""
    replayed: int = 0


class Pusher(Protocol):
    """What a replay needs of the dispatcher."""

    def rescan(self, push_config: str, replayed: Iterable[int]) -> None:
        """These pushes are pending again on disk."""
        ...


class Replays:
    """The replays of one server."""

    def __init__(self, journal: Journal, pusher: Pusher, wall: Callable[[], float] = time.time) -> None:
        self._journal = journal
        self._pusher = pusher
        self._wall = wall
        self.jobs: Jobs[ReplayView] = Jobs("replay", wall)

    def start(self, request: ReplayRequest) -> ReplayView:
        """Begin.

        Raises:
            ValueError: the request selects nothing, or holds what is no push id; the message is for people.
            TooManyJobsError: enough is under way.
        """
        ids = self.check(request)
        now = int(self._wall() * 1000)
        view = ReplayView(id=self.jobs.new_id(), begun_at=now, dry_run=request.dry_run)
        self.jobs.start(view, lambda view: self._work(view, request, ids))
        return view

    def check(self, request: ReplayRequest) -> list[tuple[bytes, str]]:
        """What its ids stand for.

        Raises:
            ValueError: see `start`.
            TooManyJobsError: see `start`.
        """
        ids = [parse_push_id(one) for one in request.ids]
        if not ids and request.awb is None and request.client is None and request.push_config is None:
            raise ValueError("name what to replay: ids, awb, client or pushConfig")
        self.jobs.check()
        return ids

    async def _work(self, view: ReplayView, request: ReplayRequest, ids: list[tuple[bytes, str]]) -> None:
        for push_config in await self._journal.push_configs():
            if request.push_config not in {None, push_config}:
                continue
            if request.client is not None and not push_config.startswith(f"{request.client}/"):
                continue
            tag = push_config_tag(push_config)
            keys = tuple(key for key, found in ids if found == tag) if ids else None
            if keys != ():
                await self._one(view, push_config, _selection(request, view.begun_at, keys))

    async def _one(self, view: ReplayView, push_config: str, selection: Selection) -> None:
        after = 0
        while True:
            found = await self._journal.ended(push_config, selection, after=after, limit=STEP)
            self._count(view, push_config, found)
            if found and not view.dry_run:
                ids = [one.update_id for one in found]
                view.replayed += await self._journal.replay(
                    push_config, ids, now=max(int(self._wall() * 1000), view.begun_at), replayed_before=view.begun_at
                )
                self._pusher.rescan(push_config, ids)
            if len(found) < STEP:
                return
            after = found[-1].update_id

    def _count(self, view: ReplayView, push_config: str, found: tuple[Ended, ...]) -> None:
        for one in found:
            states = view.found.setdefault(push_config, {})
            states[one.state.name.lower()] = states.get(one.state.name.lower(), 0) + 1


def _selection(request: ReplayRequest, begun_at: int, keys: tuple[bytes, ...] | None) -> Selection:
    return Selection(
        states=tuple(PushState[one.upper()] for one in request.states),
        keys=keys,
        awb=request.awb,
        since=_milliseconds(request.since),
        until=begun_at + 1 if request.until is None else _milliseconds(request.until),
        replayed_before=begun_at,
    )


def _milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
