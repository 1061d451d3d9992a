"""The portal's templates, with those that it shares with the console."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from aiohttp import web
from jinja2 import Environment

from trackpush_server.admin.console.rendering import Site, make_environment


def health_link(push_config: str) -> str:
    """The link to the state of a PushConfig."""
    return f"/portal/#{push_config.replace('/', '-')}"


_SITE: Final = Site(
    root="/portal",
    pushes="/portal/pushes",
    dead="/portal/pushes?state=dead",
    health_link=health_link,
    resends=frozenset({"dead"}),
)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates, read when the server starts."""
    return make_environment("trackpush_server.portal", _SITE)


def render(template: str, context: Mapping[str, Any], *, status: int = 200) -> web.Response:
    """A page that needs no visitor."""
    text = environment().get_template(template).render(**context)
    return web.Response(text=text, status=status, content_type="text/html")
