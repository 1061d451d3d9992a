"""Dead pushes, and replays in three steps: count the pushes, confirm, watch the progress."""

from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from trackpush_server.admin.api import acting, explained, reading
from trackpush_server.admin.console.forms import api_query, asked, posted
from trackpush_server.admin.console.links import link, plain, see
from trackpush_server.admin.console.templating import page
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import address, identity
from trackpush_server.admin.problems import ProblemError
from trackpush_server.journal import error_class
from trackpush_server.operations.replays import ReplayRequest

COUNT_SECONDS: Final = 5.0
"""Seconds for which a page waits for the count; a count that takes longer is shown while it grows."""

_PAGING: Final = frozenset({"cursor", "newer", "limit"})


class Replaying:
    """The handlers of these pages."""

    def __init__(self, desk: AdminServices) -> None:
        self._desk = desk

    async def dead(self, request: web.Request) -> web.Response:
        query = asked(request, reading.PushesParams, state="dead", limit=50)
        rows = await self._desk.lookup.list_pushes(reading.push_query(query))
        found = await explained.pushes(self._desk, rows, plain=plain(request))
        context = {
            "found": found,
            "query": request.query,
            "older": link(request, cursor=found.older, newer=None),
            "newer": link(request, cursor=found.newer, newer="true"),
            "selects": bool(query.client or query.push_config or query.awb or query.error),
            "errors": error_class.NAMES,
            "export": f"/api/v1/pushes/export?{urlencode({**api_query(request, without=_PAGING), 'state': 'dead'})}",
        }
        return page(request, "dead.html", context, active="dead")

    async def check(self, request: web.Request) -> web.Response:
        """Count the pushes of a replay, and ask for confirmation."""
        _operate(request)
        wanted = await posted(request, ReplayRequest, dryRun=True)
        view = await acting.replay(self._desk, identity(request), wanted, address(request))
        await self._desk.replays.jobs.wait(view.id, COUNT_SECONDS)
        self._desk.replays.refresh(view)
        sending = sum(number for states in view.found.values() for number in states.values())
        context = {"view": view, "total": sending, "fields": _fields(wanted)}
        return page(request, "replay.html", context, active="dead")

    async def start(self, request: web.Request) -> web.Response:
        _operate(request)
        wanted = await posted(request, ReplayRequest)
        view = await acting.replay(self._desk, identity(request), wanted, address(request))
        return see(f"/console/replays/{view.id}?of={await _total(request)}")

    async def show(self, request: web.Request) -> web.Response:
        view = self._desk.replays.jobs.get(request.match_info["id"])
        if view is None:
            raise ProblemError(410, "This replay belongs to another process of the server, or it ended too long ago.")
        self._desk.replays.refresh(view)
        given = request.query.get("of", "")
        found = sum(number for states in view.found.values() for number in states.values())
        total = max(int(given) if given.isascii() and given.isdigit() and len(given) < 10 else 0, found)  # noqa: PLR2004
        return page(request, "progress.html", {"view": view, "total": total}, active="dead")

    async def end(self, request: web.Request) -> web.Response:
        _operate(request)
        job = request.match_info["id"]
        await self._desk.audit(identity(request), "replay.end", job, address(request))
        await self._desk.replays.jobs.cancel(job)
        return see(f"/console/replays/{job}")


def _operate(request: web.Request) -> None:
    if not identity(request).operates:
        raise ProblemError(403, "Your role is view: only the role operate may replay pushes.")


async def _total(request: web.Request) -> str:
    given = str((await request.post()).get("total", ""))
    return given if given.isascii() and given.isdigit() else "0"


def _fields(wanted: ReplayRequest) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    given: dict[str, Any] = msgspec.to_builtins(wanted, builtin_types=())
    for name, value in given.items():
        if name != "dryRun" and value is not None:
            fields += [(name, str(entry)) for entry in (value if isinstance(value, list | tuple) else [value])]
    return fields
