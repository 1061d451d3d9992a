"""The admin port's HTTP: /livez, /readyz, /metrics, /config, /undelivered, /api/v1."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from trackpush_server.admin import operations
from trackpush_server.admin.health import Health, why_dead, why_unready
from trackpush_server.admin.token import AdminToken
from trackpush_server.admin.undelivered import undelivered
from trackpush_server.config.watch import Report
from trackpush_server.operations.erasures import Erasures
from trackpush_server.operations.replays import Replays
from trackpush_server.operations.reseals import Reseals
from trackpush_server.pusher.observer import Trouble

Scrape = Callable[[str], Awaitable[tuple[bytes, str]]]

OPEN_PATHS: Final = frozenset({"/livez", "/readyz", "/metrics"})
"""Served without a token."""


def application(
    *,
    health: Callable[[], Health],
    report: Callable[[], Report | tuple[str, ...]],
    troubles: Callable[[], Iterable[Trouble]],
    scrape: Scrape,
    replays: Replays,
    erasures: Erasures,
    reseals: Reseals,
    token: AdminToken | None = None,
) -> web.Application:
    """The application.

    ``report`` gives the problems where no table is served; ``scrape`` takes an Accept header and gives the metrics'
    text and its content type.
    """

    async def livez(_: web.Request) -> web.Response:
        return _verdict(why_dead(health()))

    async def readyz(_: web.Request) -> web.Response:
        return _verdict(why_unready(health()))

    async def config(_: web.Request) -> web.Response:
        found = report()
        if isinstance(found, tuple):
            return _json({"reasons": ["no routing table is loaded"], "problems": found}, status=503)
        return _json(found)

    async def failing(_: web.Request) -> web.Response:
        return _json(undelivered(troubles()))

    async def metrics(request: web.Request) -> web.Response:
        text, content_type = await scrape(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

    app = web.Application(middlewares=[] if token is None else [_guard(token)])
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/config", config)
    app.router.add_get("/undelivered", failing)
    app.router.add_get("/metrics", metrics)
    operations.add_routes(app, replays, erasures, reseals)
    return app


def _guard(token: AdminToken) -> Middleware:
    """Everything needs the token, paths that don't exist too, but for `OPEN_PATHS`."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path not in OPEN_PATHS:
            given = request.headers.get("Authorization", "")
            if not await asyncio.to_thread(token.allows, given):
                return _unauthorized()
        return await handler(request)

    return guard


def _unauthorized() -> web.Response:
    message = "This path needs the admin token: send Authorization: Bearer and the content of --admin-token-file."
    answer = _json({"error": "unauthorized", "message": message}, status=401)
    answer.headers["WWW-Authenticate"] = 'Bearer realm="trackpush admin"'
    return answer


def _verdict(reasons: list[str]) -> web.Response:
    return _json({"ok": not reasons, "reasons": reasons}, status=503 if reasons else 200)


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value) + b"\n", status=status, content_type="application/json")
