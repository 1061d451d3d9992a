"""The page with the links to the portal of one client: create one, and revoke others."""

from typing import Final
from urllib.parse import quote

from aiohttp import web

from trackpush_server.admin.api import portal_links as api
from trackpush_server.admin.console.forms import posted
from trackpush_server.admin.console.links import see
from trackpush_server.admin.console.templating import page
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.identity import address, identity
from trackpush_server.admin.problems import ProblemError
from trackpush_server.ids import PORTAL_LINK_ID

_MOST_SHOWN: Final = 200
_LIFETIMES: Final = ((1, "1 day"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "365 days"))
_DAY: Final = 86400


class PortalLinkPages:
    """The handlers of this page."""

    def __init__(self, desk: AdminServices) -> None:
        self._desk = desk

    async def show(self, request: web.Request) -> web.Response:
        """The links of one client, newest first."""
        return await self._page(request, request.match_info["client"], None)

    async def create(self, request: web.Request) -> web.Response:
        """Create a link, and show its URL, this once."""
        _operate(request)
        client = request.match_info["client"]
        wanted = await posted(request, api.PortalLinkRequest, client=client)
        made = await api.create(self._desk, identity(request), wanted, address(request))
        return await self._page(request, client, made)

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke a link, then show the client's links."""
        _operate(request)
        link_id = request.match_info["id"]
        if PORTAL_LINK_ID.fullmatch(link_id) is None:
            raise ProblemError(404, "There is no such link.")
        revoked = await api.revoke(self._desk, identity(request), link_id, address(request))
        return see(f"/console/clients/{quote(revoked.client, safe='')}/portal")

    async def _page(self, request: web.Request, client: str, made: api.NewPortalLink | None) -> web.Response:
        found = await api.links(self._desk, client, limit=_MOST_SHOWN)
        if not found and not self._desk.portal_links.knows(client):
            raise ProblemError(404, f"No client {client[:256]} is known here.")
        context = {
            "name": client,
            "links": found,
            "made": made,
            "is_served": self._desk.portal_url() is not None,
            "lifetimes": [(days * _DAY, text) for days, text in _LIFETIMES],
        }
        return page(request, "portal-links.html", context, active="clients")


def _operate(request: web.Request) -> None:
    if not identity(request).operates:
        raise ProblemError(403, "Your role is view: only the role operate may create and revoke links.")
