"""Links between pages, and whether personal data is shown."""

from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from trackpush_server.admin.identity import identity


def plain(request: web.Request) -> bool:
    """Whether bodies and free texts are shown unmasked."""
    return identity(request).operates


def see(location: str) -> web.Response:
    return web.Response(status=303, headers={"Location": location})


def link(request: web.Request, **changes: Any) -> str | None:
    """The URL of this page with other parameters; None if the first parameter is None."""
    if next(iter(changes.values())) is None:
        return None
    query = {name: value for name, value in request.query.items() if value and name not in {"newer", *changes}}
    query |= {name: str(value) for name, value in changes.items() if value is not None}
    return f"{request.path}?{urlencode(query)}"
