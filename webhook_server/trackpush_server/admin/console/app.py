"""The console's routes and error pages."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus

import msgspec
from aiohttp import web

from trackpush_server.admin.console.aggregator_pages import AggregatorPages
from trackpush_server.admin.console.config_history_page import ConfigHistoryPage
from trackpush_server.admin.console.inbox_pages import InboxPages
from trackpush_server.admin.console.links import see
from trackpush_server.admin.console.login import Login
from trackpush_server.admin.console.oidc_login import OidcLogin
from trackpush_server.admin.console.overview import OverviewPage
from trackpush_server.admin.console.pages import ConsolePages
from trackpush_server.admin.console.portal_pages import PortalLinkPages
from trackpush_server.admin.console.replays import Replaying
from trackpush_server.admin.console.resuming_pages import ResumingPages
from trackpush_server.admin.console.static import Static
from trackpush_server.admin.console.templating import NOTICE, ConsoleNotice, environment, page
from trackpush_server.admin.console.zone_choice import choose_zone
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.loaded import notice
from trackpush_server.admin.problems import ProblemError
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.operations.jobs import TooManyJobsError

_LONGEST_PATH = 200
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def add_routes(
    app: web.Application, desk: AdminServices, login: Login, static: Static, oidc: OidcLogin | None = None
) -> None:
    environment()
    app[NOTICE] = ConsoleNotice(lambda: notice(desk.report()))
    pages, aggregators, replaying, inbox = ConsolePages(desk), AggregatorPages(desk), Replaying(desk), InboxPages(desk)
    portal_links = PortalLinkPages(desk)
    shown: dict[str, _Handler] = {
        "/console/": OverviewPage(desk).show,
        "/console/search": pages.search,
        "/console/find": pages.find,
        "/console/shipments/{shipment}": pages.shipment,
        "/console/pushes/{id}": pages.push,
        "/console/clients": pages.clients,
        "/console/clients/{client}": pages.client,
        "/console/clients/{client}/portal": portal_links.show,
        "/console/dead": replaying.dead,
        "/console/replays/{id}": replaying.show,
        "/console/inbox": inbox.overview,
        "/console/inbox/retries/{id}": inbox.progress,
        "/console/inbox/{id}": inbox.body,
        "/console/tail": pages.tail,
        "/console/charts": pages.charts,
        "/console/aggregators": aggregators.overview,
        "/console/aggregators/{aggregator}": aggregators.one,
        "/console/unknown-codes": aggregators.codes,
        "/console/config": pages.config,
        "/console/config/history": ConfigHistoryPage(desk).show,
        "/console/audit": pages.audit,
        "/console/login": login.show,
    }
    resuming = ResumingPages(desk)
    done: dict[str, _Handler] = {
        "/console/pushes/{id}/try": resuming.try_now,
        "/console/push-configs/{namespace}/{name}/reopen": resuming.reopen,
        "/console/clients/{client}/portal": portal_links.create,
        "/console/portal/links/{id}/revoke": portal_links.revoke,
        "/console/login": login.enter,
        "/console/logout": login.leave,
        "/console/zone": choose_zone,
        "/console/inbox/check": inbox.check,
        "/console/inbox/retries": inbox.start,
        "/console/inbox/retries/{id}/end": inbox.end,
        "/console/replays": replaying.start,
        "/console/replays/check": replaying.check,
        "/console/replays/{id}/end": replaying.end,
    }
    for path, handler in shown.items():
        app.router.add_get(path, _explained(handler))
    for path, handler in done.items():
        app.router.add_post(path, _explained(handler))
    app.router.add_get("/console/static/{name:.+}", static.serve)
    if oidc is not None:
        app.router.add_get("/console/oidc/login", _explained(oidc.leave))
        app.router.add_get("/console/oidc/callback", _explained(oidc.arrive))
    for path in ("/", "/console"):
        app.router.add_get(path, _home)
    app.router.add_get("/console/{path:.*}", _unknown_page)


async def _home(_: web.Request) -> web.Response:
    return see("/console/")


async def _unknown_page(request: web.Request) -> web.Response:
    return page(request, "nopage.html", {"missing": request.path[:_LONGEST_PATH]}, status=404)


def _explained(handler: _Handler) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ProblemError as error:
            return _wrong(request, error.status, error.detail)
        except (ValueError, msgspec.DecodeError) as error:
            return _wrong(request, 400, str(error))
        except TooManyJobsError as error:
            return _wrong(request, 429, str(error))
        except JournalUnavailableError as error:
            return _wrong(request, 503, str(error))

    return handle


def _wrong(request: web.Request, status: int, detail: str) -> web.Response:
    context = {"title": HTTPStatus(status).phrase, "detail": detail}
    return page(request, "wrong.html", context, status=status)
