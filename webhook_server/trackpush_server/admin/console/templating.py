"""Renders pages with jinja2: values are escaped, unknown names are errors, and filters format times and numbers."""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from trackpush_aggregators.updates import rfc3339
from trackpush_api.printable import printable
from trackpush_runtime.reader_time import DEFAULT_ZONE, beside_utc
from trackpush_server.admin.api.shapes import Attempt
from trackpush_server.admin.console import zones
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
_READER: ContextVar[tzinfo] = ContextVar("reader", default=UTC)
"""The time zone of the page's reader, for the filter ``moment``."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_THOUSAND = 1000
NOTHING: Final = "\N{EN DASH}"
"""Placeholder for a missing number or time."""


@lru_cache(maxsize=1)
def environment() -> Environment:
    """The templates, read when the server starts."""
    made = Environment(
        loader=PackageLoader("trackpush_server.admin.console"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # do not read templates from disk while serving
        cache_size=-1,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        answer=answer,
        moment=moment,
        duration=duration,
        count=count,
        percent=percent,
        json=pretty,
        shown=shown,
        segment=lambda text: quote(text, ""),
    )
    made.globals["navigation"] = NAVIGATION
    for name in made.list_templates():
        made.get_template(name)
    return made


def page(
    request: web.Request, template: str, context: Mapping[str, Any], *, active: str = "", status: int = 200
) -> web.Response:
    """A page. For a request of htmx the whole page is rendered, too, because pages are small."""
    who = request.get(KEY)
    notice = request.config_dict[NOTICE].text() if who is not None and NOTICE in request.config_dict else ""
    told = {"who": who, "active": active, "path": request.path, "here": request.path_qs, "notice": notice}
    chosen = request.cookies.get(zones.COOKIE, DEFAULT_ZONE)
    reader = _READER.set(zones.zone_of(chosen))
    try:
        text = environment().get_template(template).render(**told, zones=zones.choices(chosen), **context)
    finally:
        _READER.reset(reader)
    return web.Response(text=text, status=status, content_type="text/html")


def moment(at: str | float | None) -> str:
    """A time in UTC, given as RFC 3339 or as ms since the epoch."""
    if at is None:
        return NOTHING
    text = at if isinstance(at, str) else rfc3339(int(at))
    read = datetime.fromisoformat(text).astimezone(UTC)
    shown = read.strftime("%Y-%m-%d %H:%M:%S")
    beside = beside_utc(read, _READER.get(), datetime.now(UTC))
    return Markup('<time datetime="{}" title="{} UTC">{} <small>{}</small></time>').format(text, text, shown, beside)


def shown(text: str | None) -> str:
    """A sender's text with escapes for what is invisible or changes the order of what is visible."""
    return printable(text) if text else NOTHING


def answer(tried: Attempt) -> str:
    """The client's response to an attempt, without the status code, which has its own column."""
    if tried.error is None:
        return "accepted"
    return tried.error.removeprefix(f"HTTP {tried.http_status}").removeprefix(": ")


def duration(seconds: float | None) -> str:
    """``850 ms``, ``2.5 s``, ``4 min``, ``3 h`` or ``2 d``; a dash for None."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    for unit, name in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.3g} s"


def count(number: int) -> str:
    """A number with thousands separators; ``10,000 or more`` for a count that stopped at ten thousand."""
    return "10,000 or more" if number == 10 * _THOUSAND else f"{number:,}"


def percent(share: float | None) -> str:
    """``99.5 %``; a dash for None. Never 100 % if anything failed."""
    if share is None:
        return NOTHING
    return "100 %" if share == 1 else f"{min(share * 100, 99.9):.1f} %"


def pretty(content: object) -> str:
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
