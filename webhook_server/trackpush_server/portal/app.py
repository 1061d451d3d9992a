"""The portal's HTTP application."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from trackpush_server.admin.connections import BoundedConnections
from trackpush_server.admin.console.static import Static
from trackpush_server.journal.model import NewAudit
from trackpush_server.journal.portal_links import PortalLink
from trackpush_server.operations.portal_links import PortalLinks
from trackpush_server.portal.edit_pages import add_edit_pages
from trackpush_server.portal.entering import HOME, Entering
from trackpush_server.portal.guard import PortalRates, add_headers, guard
from trackpush_server.portal.listening import STREAMS, PortalStreams
from trackpush_server.portal.notices import PortalNotices
from trackpush_server.portal.pages import add_pages
from trackpush_server.portal.services import SERVICES, PortalServices

MOST_BODY_BYTES: Final = 64 * 1024
_ROBOTS: Final = "User-agent: *\nDisallow: /\n"


def portal_application(
    services: PortalServices,
    *,
    links: PortalLinks,
    host: Callable[[], str | None],
    static: Static,
    connections: BoundedConnections | None = None,
    rates: PortalRates | None = None,
) -> web.Application:
    """Create the application.

    Args:
        services: for the pages.
        links: checks the visitors' links.
        host: returns the portal's host name; None: only names of loopback.
        static: the portal's files.
        connections: limits the connections.
        rates: limits the requests.
    """
    notices = PortalNotices()

    async def audit(link: PortalLink, action: str, address: str) -> None:
        await services.desk.audit_log.add(
            NewAudit(
                at=links.now,
                actor=f"portal {link.id}",
                role=link.role,
                action=action,
                target=f"client {link.client}",
                address=address,
            )
        )

    bounded = connections or BoundedConnections()
    check = guard(links, host=host, rates=rates or PortalRates(), notices=notices)
    app = web.Application(middlewares=[bounded.middleware(), check], client_max_size=MOST_BODY_BYTES)
    app.on_response_prepare.append(add_headers)
    app.on_response_prepare.append(bounded.note_streams)
    app[SERVICES] = services
    entering = Entering(links, notices, audit)
    app.router.add_get("/portal/enter", entering.show)
    app.router.add_post("/portal/enter", entering.enter)
    app.router.add_post("/portal/leave", entering.leave)
    listening = app[STREAMS] = PortalStreams(links)
    app.router.add_get("/portal/listen", listening.stream)
    app.router.add_get("/portal/static/{name:.+}", static.serve)
    app.router.add_get("/robots.txt", _robots)
    for path in ("/", "/portal"):
        app.router.add_get(path, _home)
    add_pages(app)
    add_edit_pages(app)
    return app


async def _robots(_: web.Request) -> web.Response:
    return web.Response(text=_ROBOTS)


async def _home(_: web.Request) -> web.Response:
    return web.Response(status=303, headers={"Location": HOME})
