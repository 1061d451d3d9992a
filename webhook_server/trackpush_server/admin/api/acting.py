"""The operations that act: replays, erasures and reseals. Each is written into the audit log before it begins."""

import hashlib
from typing import TypeVar

import msgspec

from trackpush_server.admin.api.operation import Call, Operation
from trackpush_server.admin.api.problems import ProblemError
from trackpush_server.admin.desk import Desk
from trackpush_server.admin.identity import Identity, address
from trackpush_server.journal.port import Erasure
from trackpush_server.operations.erasures import ErasureRequest, ErasureView
from trackpush_server.operations.erasures import describe as describe_erasure
from trackpush_server.operations.jobs import Jobs, JobView
from trackpush_server.operations.replays import ReplayRequest, ReplayView
from trackpush_server.operations.reseals import ResealRequest, ResealView

_V = TypeVar("_V", bound=JobView)


class ReplayList(msgspec.Struct, frozen=True, kw_only=True):
    """Replays that the process remembers, newest first."""

    replays: tuple[ReplayView, ...]


class ErasureList(msgspec.Struct, frozen=True, kw_only=True):
    """Records of erasures, newest first."""

    erasures: tuple[Erasure, ...]


class ResealList(msgspec.Struct, frozen=True, kw_only=True):
    """Reseals that the process remembers, newest first."""

    reseals: tuple[ResealView, ...]


class Acting:
    """The handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def operations(self) -> tuple[Operation, ...]:
        """All that act, and what shows how far they are."""
        return (
            Operation(
                method="POST",
                path="/replays",
                name="startReplay",
                summary="Send ended pushes once more, or count them (dryRun)",
                handler=self.start_replay,
                body=ReplayRequest,
                answer=ReplayView,
                status=202,
                role="operate",
                errors=(429,),
            ),
            Operation(
                method="GET",
                path="/replays",
                name="listReplays",
                summary="Replays that the process remembers",
                handler=self.list_replays,
                answer=ReplayList,
            ),
            Operation(
                method="GET",
                path="/replays/{id}",
                name="getReplay",
                summary="How far a replay is",
                handler=self.get_replay,
                answer=ReplayView,
                errors=(410,),
            ),
            Operation(
                method="DELETE",
                path="/replays/{id}",
                name="endReplay",
                summary="End a replay; what it did stays",
                handler=self.end_replay,
                answer=ReplayView,
                role="operate",
                errors=(410,),
            ),
            Operation(
                method="POST",
                path="/erasures",
                name="startErasure",
                summary="Erase what updates tell of people",
                handler=self.start_erasure,
                body=ErasureRequest,
                answer=ErasureView,
                status=202,
                role="operate",
                errors=(429,),
            ),
            Operation(
                method="GET",
                path="/erasures",
                name="listErasures",
                summary="Records of erasures",
                handler=self.list_erasures,
                answer=ErasureList,
            ),
            Operation(
                method="GET",
                path="/erasures/{id}",
                name="getErasure",
                summary="How far an erasure is",
                handler=self.get_erasure,
                answer=ErasureView,
                errors=(410,),
            ),
            Operation(
                method="POST",
                path="/reseals",
                name="startReseal",
                summary="Store anew what is in clear, or sealed with another key than the first",
                handler=self.start_reseal,
                body=ResealRequest,
                answer=ResealView,
                status=202,
                role="operate",
                errors=(429,),
            ),
            Operation(
                method="GET",
                path="/reseals",
                name="listReseals",
                summary="Reseals that the process remembers",
                handler=self.list_reseals,
                answer=ResealList,
            ),
            Operation(
                method="GET",
                path="/reseals/{id}",
                name="getReseal",
                summary="How far a reseal is",
                handler=self.get_reseal,
                answer=ResealView,
                errors=(410,),
            ),
            Operation(
                method="DELETE",
                path="/reseals/{id}",
                name="endReseal",
                summary="End a reseal; what it did stays",
                handler=self.end_reseal,
                answer=ResealView,
                role="operate",
                errors=(410,),
            ),
        )

    async def start_replay(self, call: Call) -> ReplayView:
        """See `operations`."""
        return await replay(self._desk, call.identity, call.body, address(call.request))

    async def list_replays(self, _: Call) -> ReplayList:
        """See `operations`."""
        return ReplayList(replays=self._desk.replays.jobs.all())

    async def get_replay(self, call: Call) -> ReplayView:
        """See `operations`."""
        return _known(self._desk.replays.jobs, call.path["id"])

    async def get_erasure(self, call: Call) -> ErasureView:
        """See `operations`."""
        return _known(self._desk.erasures.jobs, call.path["id"])

    async def get_reseal(self, call: Call) -> ResealView:
        """See `operations`."""
        return _known(self._desk.reseals.jobs, call.path["id"])

    async def end_replay(self, call: Call) -> ReplayView:
        """See `operations`."""
        return await self._end(self._desk.replays.jobs, "replay.end", call)

    async def end_reseal(self, call: Call) -> ResealView:
        """See `operations`."""
        return await self._end(self._desk.reseals.jobs, "reseal.end", call)

    async def start_reseal(self, call: Call) -> ResealView:
        """See `operations`."""
        self._desk.reseals.jobs.check()
        await self._desk.audit(call.identity, "reseal.start", "", address(call.request))
        return self._desk.reseals.start(call.body)

    async def list_reseals(self, _: Call) -> ResealList:
        """See `operations`."""
        return ResealList(reseals=self._desk.reseals.jobs.all())

    async def start_erasure(self, call: Call) -> ErasureView:
        """See `operations`."""
        request: ErasureRequest = call.body
        self._desk.erasures.check(request)
        await self._desk.audit(call.identity, "erasure.start", describe_erasure(request), address(call.request))
        return self._desk.erasures.start(request)

    async def list_erasures(self, _: Call) -> ErasureList:
        """See `operations`."""
        return ErasureList(erasures=await self._desk.erasures.records())

    async def _end(self, jobs: Jobs[_V], action: str, call: Call) -> _V:
        job = call.path["id"]
        _known(jobs, job)
        await self._desk.audit(call.identity, action, job, address(call.request))
        await jobs.cancel(job)
        return _known(jobs, job)


async def replay(desk: Desk, who: Identity, request: ReplayRequest, came_from: str) -> ReplayView:
    """Begin a replay: written down first, unless it only counts.

    Raises:
        ValueError: the request selects nothing, or holds what is no push id.
        TooManyJobsError: enough is under way.
        JournalUnavailableError: it can't be written down.
    """
    desk.replays.check(request)
    if not request.dry_run:
        await desk.audit(who, "replay.start", describe_replay(request), came_from)
    return desk.replays.start(request)


def describe_replay(request: ReplayRequest) -> str:
    """The selection for the audit log: an AWB only as its digest, by which it can be found again but not be read."""
    parts = [f"states {','.join(request.states)}"]
    if request.ids:
        parts.append(request.ids[0] if len(request.ids) == 1 else f"{len(request.ids)} pushes from {request.ids[0]}")
    if request.awb is not None:
        parts.append(f"awb sha256:{hashlib.sha256(request.awb.encode()).hexdigest()}")
    parts += [f"client {request.client}"] if request.client is not None else []
    parts += [f"PushConfig {request.push_config}"] if request.push_config is not None else []
    parts += [f"since {request.since.isoformat()}"] if request.since is not None else []
    parts += [f"until {request.until.isoformat()}"] if request.until is not None else []
    return ", ".join(parts)


def _known(jobs: Jobs[_V], job: str) -> _V:
    view = jobs.get(job)
    if view is None:
        raise ProblemError(
            410, f"no job {job[:64]}: it belongs to another process of the server, or is forgotten by now"
        )
    return view
