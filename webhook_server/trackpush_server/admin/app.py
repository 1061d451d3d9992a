"""The admin port's HTTP: /livez, /readyz, /metrics, /config."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from trackpush_server.admin.health import Health, why_dead, why_unready
from trackpush_server.config.watch import Report

Scrape = Callable[[str], Awaitable[tuple[bytes, str]]]


def application(
    *, health: Callable[[], Health], report: Callable[[], Report | None], scrape: Scrape
) -> web.Application:
    """The application; ``scrape`` takes an Accept header and gives the metrics' text and its content type."""

    async def livez(_: web.Request) -> web.Response:
        return _verdict(why_dead(health()))

    async def readyz(_: web.Request) -> web.Response:
        return _verdict(why_unready(health()))

    async def config(_: web.Request) -> web.Response:
        found = report()
        if found is None:
            return _json({"reasons": ["no routing table is loaded"]}, status=503)
        return _json(found)

    async def metrics(request: web.Request) -> web.Response:
        text, content_type = await scrape(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/config", config)
    app.router.add_get("/metrics", metrics)
    return app


def _verdict(reasons: list[str]) -> web.Response:
    return _json({"ok": not reasons, "reasons": reasons}, status=503 if reasons else 200)


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value) + b"\n", status=status, content_type="application/json")
