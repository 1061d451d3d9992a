"""Renders the portal's pages with jinja2: values are escaped, and unknown names are errors."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates, read when the server starts."""
    made = Environment(
        loader=PackageLoader("trackpush_server.portal"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # do not read templates from disk while serving
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in made.list_templates():
        made.get_template(name)
    return made


def render(template: str, context: Mapping[str, Any], *, status: int = 200) -> web.Response:
    """A page that needs no visitor."""
    text = environment().get_template(template).render(**context)
    return web.Response(text=text, status=status, content_type="text/html")
