"""The buttons that end a wait: *Try now* of a push, and *Reopen* of an endpoint that answered 410."""

from urllib.parse import quote

from aiohttp import web

from trackpush_server.admin.api import resuming
from trackpush_server.admin.console.links import see
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import address, identity
from trackpush_server.admin.problems import ProblemError


class ResumingPages:
    """The handlers of these buttons."""

    def __init__(self, desk: AdminServices) -> None:
        self._desk = desk

    async def try_now(self, request: web.Request) -> web.Response:
        """Try a push, then show it."""
        _operate(request)
        push_id = request.match_info["id"]
        await resuming.try_now(self._desk, identity(request), push_id, address(request))
        return see(f"/console/pushes/{push_id}")

    async def reopen(self, request: web.Request) -> web.Response:
        """Reopen an endpoint, then show its client."""
        _operate(request)
        namespace, name = request.match_info["namespace"], request.match_info["name"]
        await resuming.reopen(self._desk, identity(request), f"{namespace}/{name}", address(request))
        return see(f"/console/clients/{quote(namespace, safe='')}")


def _operate(request: web.Request) -> None:
    if not identity(request).operates:
        raise ProblemError(403, "Your role is view: only the role operate may try pushes and reopen endpoints.")
