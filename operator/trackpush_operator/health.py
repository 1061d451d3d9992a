"""The operator's own /livez, /readyz and /metrics."""

from collections.abc import Callable
from typing import Final

import msgspec
from aiohttp import web
from prometheus_client.exposition import choose_encoder

from trackpush_operator.metrics import Metrics

_WATCHES_DOWN: Final = 120.0
_STALLED: Final = 300.0


class HealthInputs(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs of the probes. Times in seconds."""

    active: bool = False
    """It has the Lease."""
    standby: bool = False
    """It waits for the Lease of another operator, which works."""
    synced: bool = False
    """All initial lists are in."""
    watches_down: float = 0.0
    watching: bool = True
    """Watches run; between two runs none do."""
    unwatched: tuple[str, ...] = ()
    """Our own kinds that aren't watched."""
    stalled: dict[str, float] = {}
    """By queue: for how long there was work and none of it came to an end."""
    resynced_ago: float = 0.0
    resync_seconds: float = 600.0


def why_dead(inputs: HealthInputs) -> list[str]:
    """Reasons to restart the process; empty if healthy."""
    if not inputs.active:
        return []
    reasons = [f"queue {name} makes no progress" for name, seconds in inputs.stalled.items() if seconds > _STALLED]
    if inputs.watches_down > _WATCHES_DOWN:
        reasons.append("nothing is watched")
    if inputs.resynced_ago > 3 * inputs.resync_seconds:
        reasons.append("no resync was completed for long")
    return reasons


def why_unready(inputs: HealthInputs) -> list[str]:
    """Reasons why changes have no effect now."""
    if not inputs.active:
        return [] if inputs.standby else ["it waits for the Lease, and no other operator is known to work"]
    reasons = [] if inputs.synced else ["the first lists aren't in"]
    if not inputs.watching and not inputs.unwatched:
        reasons.append("nothing is watched: the watches are started again within 30 s")
    return reasons + [f"{kind} isn't watched: its CustomResourceDefinition is missing" for kind in inputs.unwatched]


def application(inputs: Callable[[], HealthInputs], metrics: Metrics) -> web.Application:
    """The application."""

    async def livez(_: web.Request) -> web.Response:
        return _verdict(why_dead(inputs()))

    async def readyz(_: web.Request) -> web.Response:
        return _verdict(why_unready(inputs()))

    async def scrape(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(metrics.registry), headers={"Content-Type": content_type})

    app = web.Application()
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", scrape)
    return app


def _verdict(reasons: list[str]) -> web.Response:
    body = msgspec.json.encode({"ok": not reasons, "reasons": reasons}) + b"\n"
    return web.Response(body=body, status=503 if reasons else 200, content_type="application/json")
