"""/api/v1/replays, erasures and reseals: what people ask the server to do, and how far it is. JSON, camelCase."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import msgspec
from aiohttp import web

from trackpush_server.journal.port import JournalUnavailableError
from trackpush_server.operations.erasures import ErasureRequest, Erasures
from trackpush_server.operations.jobs import Jobs, JobView, TooManyJobsError
from trackpush_server.operations.replays import ReplayRequest, Replays
from trackpush_server.operations.reseals import ResealRequest, Reseals

_Request = TypeVar("_Request", ReplayRequest, ErasureRequest, ResealRequest)
_View = TypeVar("_View", bound=JobView)

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_REFUSED: Final = (ValueError, msgspec.DecodeError)
"""The request is at fault."""


def add_routes(app: web.Application, replays: Replays, erasures: Erasures, reseals: Reseals) -> None:
    """Add them."""

    async def list_erasures(_: web.Request) -> web.Response:
        return _json({"erasures": await erasures.records()})

    router = app.router
    router.add_post("/api/v1/replays", _starter(ReplayRequest, replays.start))
    router.add_get("/api/v1/replays", _lister(replays.jobs, "replays"))
    router.add_get("/api/v1/replays/{id}", _getter(replays.jobs))
    router.add_delete("/api/v1/replays/{id}", _ender(replays.jobs))
    router.add_post("/api/v1/erasures", _starter(ErasureRequest, erasures.start))
    router.add_get("/api/v1/erasures", _explained(list_erasures))
    router.add_get("/api/v1/erasures/{id}", _getter(erasures.jobs))
    router.add_post("/api/v1/reseals", _starter(ResealRequest, reseals.start))
    router.add_get("/api/v1/reseals", _lister(reseals.jobs, "reseals"))
    router.add_get("/api/v1/reseals/{id}", _getter(reseals.jobs))
    router.add_delete("/api/v1/reseals/{id}", _ender(reseals.jobs))


def _explained(handler: _Handler) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except _REFUSED as error:
            return _error(400, str(error))
        except TooManyJobsError as error:
            return _error(429, str(error))
        except JournalUnavailableError as error:
            return _error(503, str(error))

    return handle


def _starter(kind: type[_Request], start: Callable[[_Request], JobView]) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return _json(start(msgspec.json.decode(await request.read(), type=kind)), status=202)

    return _explained(handle)


def _lister(jobs: Jobs[_View], name: str) -> _Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        return _json({name: jobs.all()})

    return handle


def _getter(jobs: Jobs[_View]) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return _shown(jobs, request.match_info["id"])

    return handle


def _ender(jobs: Jobs[_View]) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        await jobs.cancel(request.match_info["id"])
        return _shown(jobs, request.match_info["id"])

    return handle


def _shown(jobs: Jobs[_View], job: str) -> web.Response:
    view = jobs.get(job)
    if view is None:
        return _error(410, f"no job {job[:64]}: it belongs to another process of the server, or is forgotten by now")
    return _json(view)


def _error(status: int, message: str) -> web.Response:
    return _json({"error": message}, status=status)


def _json(value: object, *, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(value) + b"\n", status=status, content_type="application/json")
