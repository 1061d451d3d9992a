"""The admin port's HTTP: /livez, /readyz, /metrics, /config, /undelivered, /api/v1 and /console."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

import msgspec
from aiohttp import web

from trackpush_server.admin.api import app as api_app
from trackpush_server.admin.connections import BoundedConnections
from trackpush_server.admin.console import app as console_app
from trackpush_server.admin.console.login import Login
from trackpush_server.admin.console.oidc_login import OidcLogin
from trackpush_server.admin.console.static import Static
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.guard import Access, add_headers, guard
from trackpush_server.admin.health import Health, readiness, why_dead
from trackpush_server.admin.last_updates import last_updates
from trackpush_server.admin.undelivered import undelivered
from trackpush_server.config.watch import Report
from trackpush_server.pusher.observer import Trouble

Scrape = Callable[[str], Awaitable[tuple[bytes, str]]]


def application(
    *,
    health: Callable[[], Health],
    prove: Callable[[], Awaitable[str | None]],
    troubles: Callable[[], Iterable[Trouble]],
    refused: Callable[[], Mapping[str, int]],
    scrape: Scrape,
    report: Callable[[], Report | tuple[str, ...]],
    access: Access,
    connections: BoundedConnections,
) -> web.Application:
    """Create the application without admin API and console, which need a journal.

    Args:
        health: returns the health of the server.
        prove: checks that the journal can store; returns the reason for doubt, or None.
        troubles: returns the failing endpoints.
        refused: returns accounts with the number of their requests in a row that were refused.
        scrape: takes an Accept header; returns the metrics' text and its content type.
        report: returns the loaded configuration, or the problems while there is none.
        access: decides who may do what.
        connections: limits the connections of the admin port.
    """

    async def livez(_: web.Request) -> web.Response:
        return _verdict(why_dead(health()))

    async def readyz(_: web.Request) -> web.Response:
        unproven = await prove()
        found = readiness(health(), unproven)
        return _verdict(found.reasons, found.warnings)

    async def config(_: web.Request) -> web.Response:
        found = report()
        if isinstance(found, tuple):
            return _json({"reasons": ["no routing table is loaded"], "problems": found}, status=503)
        return _json(found)

    async def failing(_: web.Request) -> web.Response:
        return _json(undelivered(troubles(), refused()))

    async def metrics(request: web.Request) -> web.Response:
        text, content_type = await scrape(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

    app = web.Application(middlewares=[connections.middleware(), guard(access)])
    app.on_response_prepare.append(add_headers)
    app.on_response_prepare.append(connections.note_streams)
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/config", config)
    app.router.add_get("/undelivered", failing)
    app.router.add_get("/metrics", metrics)
    return app


def add_services(
    app: web.Application, desk: AdminServices, *, login: Login, static: Static, oidc: OidcLogin | None
) -> None:
    """Add the admin API, the console, and /last-updates.

    Args:
        app: the result of `application`.
        desk: what both work on.
        login: the console's log-in.
        static: the console's files.
        oidc: the log-in by an OpenID provider.
    """

    async def reported(_: web.Request) -> web.Response:
        return _json(last_updates(await desk.activity()))

    app.router.add_get("/last-updates", reported)
    api_app.add_routes(app, desk)
    console_app.add_routes(app, desk, login, static, oidc)


def _verdict(reasons: Sequence[str], warned: Sequence[str] = ()) -> web.Response:
    told = {"ok": not reasons, "reasons": reasons} | ({"warnings": warned} if warned else {})
    return _json(told, status=503 if reasons else 200)


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value) + b"\n", status=status, content_type="application/json")
