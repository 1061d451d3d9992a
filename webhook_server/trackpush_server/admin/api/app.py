"""The API's routes: its operations, and their OpenAPI description."""

from collections.abc import Sequence

from aiohttp import web

from trackpush_server.admin.api.endpoint import Handler, endpoint
from trackpush_server.admin.api.openapi import BASE
from trackpush_server.admin.api.served import OPERATIONS, document
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.problems import problem


def add_routes(app: web.Application, desk: AdminServices) -> None:
    methods: dict[str, dict[str, Handler]] = {}
    for operation in OPERATIONS:
        methods.setdefault(f"{BASE}{operation.path}", {})[operation.method] = endpoint(operation, desk)
    for path, handlers in methods.items():
        for method, handler in handlers.items():
            app.router.add_route(method, path, handler)
        app.router.add_route("*", path, _not_allowed(sorted(handlers)))
    described = document()

    async def openapi(_: web.Request) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    async def unknown(request: web.Request) -> web.Response:
        return problem(404, f"no path {request.path[:256]}: see {BASE}/openapi.json")

    app.router.add_get(f"{BASE}/openapi.json", openapi)
    app.router.add_route("*", f"{BASE}/{{rest:.*}}", unknown)


def _not_allowed(methods: Sequence[str]) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        answer = problem(405, f"{request.method} is not supported for this path; use {', '.join(methods)}")
        answer.headers["Allow"] = ", ".join(methods)
        return answer

    return handle
