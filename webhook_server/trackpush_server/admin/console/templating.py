"""The console's pages, made of templates."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec
from aiohttp import web
from jinja2 import Environment

from trackpush_api.routing import namespace_of
from trackpush_server.admin.console.rendering import Site, make_environment, render, segment
from trackpush_server.admin.identity import KEY

NAVIGATION: Final = (
    ("overview", "/console/", "Overview"),
    ("search", "/console/search", "Search"),
    ("clients", "/console/clients", "Clients"),
    ("dead", "/console/dead", "Dead pushes"),
    ("inbox", "/console/inbox", "Inbox"),
    ("tail", "/console/tail", "Live tail"),
    ("charts", "/console/charts", "Charts"),
    ("aggregators", "/console/aggregators", "Aggregators"),
    ("config", "/console/config", "Configuration"),
    ("audit", "/console/audit", "Audit log"),
)


class ConsoleNotice(msgspec.Struct, frozen=True):
    """The notice in the header of every page."""

    text: Callable[[], str]
    """One sentence; empty if there is nothing to report."""


NOTICE: Final = web.AppKey("notice", ConsoleNotice)
_SITE: Final = Site(
    root="/console",
    pushes="/console/search",
    dead="/console/dead",
    health_link=lambda push_config: f"/console/clients/{segment(namespace_of(push_config))}",
    tail="/console/tail",
    resends=frozenset({"dead", "delivered", "dropped"}),
    resends_filtered=True,
)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates, read when the server starts."""
    made = make_environment("trackpush_server.admin.console", _SITE)
    made.globals["navigation"] = NAVIGATION
    return made


def page(
    request: web.Request, template: str, context: Mapping[str, Any], *, active: str = "", status: int = 200
) -> web.Response:
    """A page. For a request of htmx the whole page is rendered, too, because pages are small."""
    who = request.get(KEY)
    notice = request.config_dict[NOTICE].text() if who is not None and NOTICE in request.config_dict else ""
    own = {"who": who, "active": active, "path": request.path, "here": request.path_qs, "notice": notice}
    return render(environment(), request, template, own | dict(context), status=status)
