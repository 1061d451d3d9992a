"""Renders the pages for visitors, and turns errors into pages.

Nothing in the page of an error depends on what was asked for: what belongs to another client must look the same as
what does not exist.
"""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from trackpush_server.admin.console.rendering import render
from trackpush_server.admin.problems import ProblemError
from trackpush_server.operations.jobs import TooManyJobsError
from trackpush_server.operations.sample_push import TooManySamplePushesError
from trackpush_server.portal.scope import ClientScope, NotOwnError
from trackpush_server.portal.services import SERVICES
from trackpush_server.portal.templating import environment
from trackpush_server.portal.visitor import visitor

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_HOME: Final = "/portal/"
_BUSY: Final = "The server is busy with other work. Try again in a minute."
_NOT_OPERATE: Final = "Your link only allows to look: ask for a link with the role operate."


def scope(request: web.Request) -> ClientScope:
    """What the request's visitor may read."""
    who = visitor(request)
    return ClientScope(request.app[SERVICES].desk, who.client, plain=who.operates)


def page(
    request: web.Request, template: str, context: Mapping[str, Any], *, active: str = "", status: int = 200
) -> web.Response:
    """A page of the portal."""
    own = {
        "who": visitor(request),
        "active": active,
        "path": request.path,
        "here": _HOME if status >= HTTPStatus.BAD_REQUEST else request.path_qs,
        "edits": request.app[SERVICES].edits(),
    }
    return render(environment(), request, template, own | dict(context), status=status)


def explained(handler: Handler) -> Handler:
    """The handler; its errors become pages."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except NotOwnError:
            raise web.HTTPNotFound from None
        except ProblemError as error:
            return wrong(request, error.status, error.detail)
        except (ValueError, msgspec.DecodeError) as error:
            return wrong(request, 400, str(error))
        except (TooManyJobsError, TooManySamplePushesError):
            return wrong(request, 429, _BUSY)

    return handle


def operators_only(handler: Handler) -> Handler:
    """The handler, for visitors with the role operate only."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if not visitor(request).operates:
            return wrong(request, 403, _NOT_OPERATE)
        return await handler(request)

    return handle


def wrong(request: web.Request, status: int, detail: str) -> web.Response:
    context = {"title": HTTPStatus(status).phrase, "detail": detail}
    return page(request, "wrong.html", context, status=status)


def see(location: str) -> web.Response:
    return web.Response(status=303, headers={"Location": location})


def link(request: web.Request, **changes: str | None) -> str | None:
    """The URL of this page with other parameters; None if the first parameter is None."""
    if next(iter(changes.values())) is None:
        return None
    query = {name: value for name, value in request.query.items() if value and name not in {"newer", *changes}}
    query |= {name: value for name, value in changes.items() if value is not None}
    return f"{request.path}?{urlencode(query)}"
