"""The form in the header that chooses the reader's time zone."""

from typing import Final

from aiohttp import web

from trackpush_server.admin.console import zones
from trackpush_server.admin.console.links import see
from trackpush_server.admin.console.login import HOME, where

_YEAR: Final = 365 * 86400


async def choose_zone(request: web.Request, *, home: str = HOME) -> web.Response:
    """Remember the zone for the pages below ``home``, and return to the page."""
    form = await request.post()
    name = str(form.get("zone", ""))
    response = see(where(str(form.get("back", "")), home))
    if name in zones.OFFERED:
        response.set_cookie(zones.COOKIE, name, path=home, max_age=_YEAR, httponly=True, samesite="Strict")
    return response
