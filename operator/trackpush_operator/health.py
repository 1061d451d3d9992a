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
    """The inputs of the probes. Times are in seconds."""

    active: bool = False
    """Whether it holds the Lease."""
    standby: bool = False
    """Whether it waits for the Lease of another operator that works."""
    synced: bool = False
    """Whether all initial lists are complete."""
    watches_down: float = 0.0
    watching: bool = True
    """Whether the watches run; between two runs of kopf they don't."""
    unwatched: tuple[str, ...] = ()
    """Trackpush's kinds that aren't watched."""
    stalled: dict[str, float] = {}
    """By queue: for how long there has been work without progress."""
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
        reasons.append("no resync has succeeded for a long time")
    return reasons


def why_unready(inputs: HealthInputs) -> list[str]:
    """Reasons why changes currently have no effect."""
    if not inputs.active:
        return [] if inputs.standby else ["it waits for the Lease, but no other operator renews it"]
    reasons = [] if inputs.synced else ["the initial lists aren't complete"]
    if not inputs.watching and not inputs.unwatched:
        reasons.append("nothing is watched now: the watches restart within 30 s")
    return reasons + [f"{kind} isn't watched: its CustomResourceDefinition is missing" for kind in inputs.unwatched]


def application(inputs: Callable[[], HealthInputs], metrics: Metrics) -> web.Application:
    """The HTTP application of the probes and metrics."""

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
