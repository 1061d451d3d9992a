"""The operations that change something: replays, erasures and reseals.

Each is recorded in the audit log before it starts.
"""

import hashlib
from typing import Final, TypeVar

import msgspec

from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import Identity, address
from trackpush_server.admin.problems import ProblemError
from trackpush_server.journal.model import Erasure
from trackpush_server.operations.drops import DropRequest, DropView
from trackpush_server.operations.drops import describe as describe_drop
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


@operation("POST", "/replays", status=202, errors=(429,))
async def start_replay(call: ApiCall, body: ReplayRequest) -> ReplayView:
    """Send ended pushes again, or only count them (dryRun)."""
    return await replay(call.desk, call.identity, body, address(call.request))


@operation("GET", "/replays")
async def list_replays(call: ApiCall) -> ReplayList:
    """Replays that this process remembers."""
    replays = call.desk.replays
    return ReplayList(replays=tuple(replays.refresh(view) for view in replays.jobs.all()))


@operation("GET", "/replays/{id}", errors=(410,))
async def get_replay(call: ApiCall) -> ReplayView:
    """Progress of a replay."""
    return call.desk.replays.refresh(known(call.desk.replays.jobs, call.path["id"]))


@operation("DELETE", "/replays/{id}", errors=(410,))
async def end_replay(call: ApiCall) -> ReplayView:
    """Cancel a replay; its results so far stay."""
    return call.desk.replays.refresh(await ended(call.desk.replays.jobs, "replay.end", call))


@operation("POST", "/drops")
async def drop_pushes(call: ApiCall, body: DropRequest) -> DropView:
    """Drop pending pushes whose PushConfig does not exist, or only count them (dryRun)."""
    found = await call.desk.drops.find(body)
    if body.dry_run or not found.push_configs:
        return found
    await call.desk.audit(call.identity, "pushes.drop", describe_drop(body, found), address(call.request))
    return await call.desk.drops.drop(found)


@operation("POST", "/erasures", status=202, errors=(429,))
async def start_erasure(call: ApiCall, body: ErasureRequest) -> ErasureView:
    """Erase personal data from stored updates."""
    call.desk.erasures.check(body)
    await call.desk.audit(call.identity, "erasure.start", describe_erasure(body), address(call.request))
    return call.desk.erasures.start(body)


@operation("GET", "/erasures")
async def list_erasures(call: ApiCall) -> ErasureList:
    """Records of erasures."""
    return ErasureList(erasures=await call.desk.erasures.records())


@operation("GET", "/erasures/{id}", errors=(410,))
async def get_erasure(call: ApiCall) -> ErasureView:
    """Progress of an erasure."""
    return known(call.desk.erasures.jobs, call.path["id"])


@operation("POST", "/reseals", status=202, errors=(429,))
async def start_reseal(call: ApiCall, body: ResealRequest) -> ResealView:
    """Encrypt stored bodies that are not encrypted with the first key."""
    call.desk.reseals.jobs.check()
    await call.desk.audit(call.identity, "reseal.start", "", address(call.request))
    return call.desk.reseals.start(body)


@operation("GET", "/reseals")
async def list_reseals(call: ApiCall) -> ResealList:
    """Reseals that this process remembers."""
    return ResealList(reseals=call.desk.reseals.jobs.all())


@operation("GET", "/reseals/{id}", errors=(410,))
async def get_reseal(call: ApiCall) -> ResealView:
    """Progress of a reseal."""
    return known(call.desk.reseals.jobs, call.path["id"])


@operation("DELETE", "/reseals/{id}", errors=(410,))
async def end_reseal(call: ApiCall) -> ResealView:
    """Cancel a reseal; its results so far stay."""
    return await ended(call.desk.reseals.jobs, "reseal.end", call)


OPERATIONS: Final = (
    *(start_replay, list_replays, get_replay, end_replay),
    drop_pushes,
    *(start_erasure, list_erasures, get_erasure),
    *(start_reseal, list_reseals, get_reseal, end_reseal),
)


async def replay(desk: AdminServices, who: Identity, request: ReplayRequest, came_from: str) -> ReplayView:
    """Start a replay. It is recorded in the audit log first, unless it only counts.

    Raises:
        ValueError: the request selects nothing, or contains an invalid push id.
        TooManyJobsError: too many jobs are running.
        JournalUnavailableError: the audit log can't be written.
    """
    desk.replays.check(request)
    if not request.dry_run:
        await desk.audit(who, "replay.start", describe_replay(request), came_from)
    return desk.replays.start(request)


def describe_replay(request: ReplayRequest) -> str:
    """The selection for the audit log. An AWB is written as its digest, which can be searched for but not read."""
    parts = [f"states {','.join(request.states)}"]
    if request.ids:
        parts.append(
            request.ids[0]
            if len(request.ids) == 1
            else f"{len(request.ids)} pushes, the first with id {request.ids[0]}"
        )
    if request.awb is not None:
        parts.append(f"awb sha256:{hashlib.sha256(request.awb.encode()).hexdigest()}")
    parts += [f"client {request.client}"] if request.client is not None else []
    parts += [f"PushConfig {request.push_config}"] if request.push_config is not None else []
    parts += [f"since {request.since.isoformat()}"] if request.since is not None else []
    parts += [f"until {request.until.isoformat()}"] if request.until is not None else []
    parts += [f"ended since {request.ended_since.isoformat()}"] if request.ended_since is not None else []
    parts += [f"ended until {request.ended_until.isoformat()}"] if request.ended_until is not None else []
    parts += [f"errors {','.join(request.errors)}"] if request.errors else []
    return ", ".join(parts)


async def ended(jobs: Jobs[_V], action: str, call: ApiCall) -> _V:
    """Cancel a job, after this was recorded in the audit log."""
    job = call.path["id"]
    known(jobs, job)
    await call.desk.audit(call.identity, action, job, address(call.request))
    await jobs.cancel(job)
    return known(jobs, job)


def known(jobs: Jobs[_V], job: str) -> _V:
    """The job with this id.

    Raises:
        ProblemError: this process has no job with this id.
    """
    view = jobs.get(job)
    if view is None:
        raise ProblemError(
            410, f"no job {job[:64]}: it belongs to another process of the server, or it ended too long ago"
        )
    return view
