"""The pages for visitors."""

from aiohttp import web

from trackpush_server.portal.templating import render
from trackpush_server.portal.visitor import visitor


def add_pages(app: web.Application) -> None:
    """Add the routes below ``/portal/``. Handlers find their services in ``app[SERVICES]``, see `services`."""
    app.router.add_get("/portal/", _home)


async def _home(request: web.Request) -> web.Response:
    return render("notice.html", {"title": visitor(request).client, "detail": "You have entered."})
