"""The routes of the pages for visitors."""

from aiohttp import web

from trackpush_server.admin.console.zone_choice import choose_zone
from trackpush_server.portal import changes, reads, verifying
from trackpush_server.portal.page import Handler, explained, operators_only
from trackpush_server.portal.replaying import VisitorReplays
from trackpush_server.portal.services import SERVICES


def add_pages(app: web.Application) -> None:
    """Add the routes below ``/portal/``. Handlers find their services in ``app[SERVICES]``, see `services`."""
    replaying = VisitorReplays(app[SERVICES].desk)
    shown: dict[str, Handler] = {
        "/portal/": reads.overview,
        "/portal/pushes": reads.pushes,
        "/portal/find": reads.find,
        "/portal/pushes/{id}": reads.push,
        "/portal/shipments/{shipment}": reads.shipment,
        "/portal/replays/{id}": replaying.show,
        "/portal/test": changes.test_form,
        "/portal/verify": verifying.show,
        "/portal/help": reads.help_page,
    }
    done: dict[str, Handler] = {
        "/portal/pushes/{id}/try": changes.try_now,
        "/portal/push-configs/{namespace}/{name}/reopen": changes.reopen,
        "/portal/replays/check": replaying.check,
        "/portal/replays": replaying.start,
        "/portal/replays/{id}/end": replaying.end,
        "/portal/test": changes.test_push,
        "/portal/verify": verifying.example,
    }
    for path, handler in shown.items():
        app.router.add_get(path, explained(handler))
    for path, handler in done.items():
        app.router.add_post(path, explained(operators_only(handler)))
    app.router.add_post("/portal/zone", _choose_zone)


async def _choose_zone(request: web.Request) -> web.Response:
    return await choose_zone(request, home="/portal/")
