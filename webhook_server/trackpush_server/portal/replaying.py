"""Replays of the client's dead pushes in three steps: count them, confirm, watch the progress."""

import asyncio
from datetime import datetime
from typing import Annotated, Final

import msgspec
from aiohttp import web
from msgspec import Meta

from trackpush_server.admin.api import acting
from trackpush_server.admin.console.forms import posted
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import address
from trackpush_server.admin.problems import ProblemError
from trackpush_server.operations.jobs import TooManyJobsError
from trackpush_server.operations.replays import ErrorName, ReplayRequest, ReplayView
from trackpush_server.portal.changes import identity
from trackpush_server.portal.page import page, scope, see
from trackpush_server.portal.scope import NotOwnError
from trackpush_server.portal.visitor import visitor

COUNT_SECONDS: Final = 5.0
"""Seconds for which a page waits for the count; a count that takes longer is shown while it grows."""
MOST_RUNNING: Final = 2
"""Replays of all visitors at the same time, so that those who run the server can always start one."""
_MOST_DIGITS: Final = 9
_FAILED: Final = "The replay failed. Ask the people who run Trackpush."


class DeadSelection(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Selects dead pushes of the visitor's client. Absent fields accept all."""

    ids: Annotated[tuple[str, ...], Meta(max_length=1)] = ()
    awb: Annotated[str, Meta(max_length=256)] | None = None
    push_config: Annotated[str, Meta(max_length=512)] | None = None
    states: tuple[str, ...] = ("dead",)
    """Other states than ``dead`` are refused."""
    since: datetime | None = None
    until: datetime | None = None
    ended_since: datetime | None = None
    ended_until: datetime | None = None
    errors: tuple[ErrorName, ...] = ()


class VisitorReplays:
    """The handlers, and whose replay each job is."""

    def __init__(self, desk: AdminServices) -> None:
        self._desk = desk
        self._owners: dict[str, str] = {}
        """Clients, by the job's id."""
        self._starting = asyncio.Lock()

    async def check(self, request: web.Request) -> web.Response:
        """Count the pushes of a replay, and ask for confirmation."""
        selection = await posted(request, DeadSelection)
        view = await self._start(request, selection, dry_run=True)
        await self._desk.replays.jobs.wait(view.id, COUNT_SECONDS)
        total = sum(number for states in view.found.values() for number in states.values())
        context = {"view": self._shown(view), "total": total, "fields": _fields(selection)}
        return page(request, "replay.html", context, active="dead")

    async def start(self, request: web.Request) -> web.Response:
        """Start the replay, then show its progress."""
        view = await self._start(request, await posted(request, DeadSelection), dry_run=False)
        return see(f"/portal/replays/{view.id}?of={_number(str((await request.post()).get('total', '')))}")

    async def show(self, request: web.Request) -> web.Response:
        """The progress of a replay of the visitor's client."""
        view = self._own(request)
        found = sum(number for states in view.found.values() for number in states.values())
        total = max(_number(request.query.get("of", "")), found)
        return page(request, "progress.html", {"view": self._shown(view), "total": total}, active="dead")

    async def end(self, request: web.Request) -> web.Response:
        """Cancel a replay of the visitor's client."""
        view = self._own(request)
        await self._desk.audit(identity(request), "replay.end", view.id, address(request))
        await self._desk.replays.jobs.cancel(view.id)
        return see(f"/portal/replays/{view.id}")

    async def _start(self, request: web.Request, selection: DeadSelection, *, dry_run: bool) -> ReplayView:
        own = scope(request)
        if set(selection.states) != {"dead"}:
            raise ProblemError(400, "Only dead pushes can be sent again.")
        for push_id in selection.ids:
            await own.detail(push_id)
        if selection.push_config is not None:
            await own.push_config(selection.push_config)
        wanted = ReplayRequest(
            **{name: getattr(selection, name) for name in selection.__struct_fields__ if name != "states"},
            client=own.client,
            states=("dead",),
            dry_run=dry_run,
        )
        async with self._starting:
            await self._admit(own.client)
            view = await acting.replay(self._desk, identity(request), wanted, address(request))
            self._owners[view.id] = own.client
        return view

    async def _admit(self, client: str) -> None:
        """Check that one more replay of this client may run; a count of this client that still runs is cancelled.

        Raises:
            TooManyJobsError: too many are running.
        """
        jobs = self._desk.replays.jobs
        known = {job: view for job in self._owners if (view := jobs.get(job)) is not None}
        self._owners = {job: self._owners[job] for job in known}
        for job, view in known.items():
            if view.dry_run and self._owners[job] == client:
                await jobs.cancel(job)
        running = [self._owners[job] for job, view in known.items() if view.state == "running"]
        if client in running or len(running) >= MOST_RUNNING:
            raise TooManyJobsError("replays of visitors are running")

    def _own(self, request: web.Request) -> ReplayView:
        job = request.match_info["id"]
        view = self._desk.replays.jobs.get(job)
        if view is None or self._owners.get(job) != visitor(request).client:
            raise NotOwnError
        return view

    def _shown(self, view: ReplayView) -> ReplayView:
        """The view with the reasons why its pushes wait, and without the server's own words about a failure."""
        shown = self._desk.replays.refresh(view)
        return shown if shown.error is None else msgspec.structs.replace(shown, error=_FAILED)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS else 0


def _fields(selection: DeadSelection) -> list[tuple[str, str]]:
    """The fields of the form that confirms this selection."""
    fields: list[tuple[str, str]] = []
    for name, value in msgspec.to_builtins(selection).items():
        if value is not None:
            fields += [(name, str(entry)) for entry in (value if isinstance(value, list | tuple) else [value])]
    return fields
