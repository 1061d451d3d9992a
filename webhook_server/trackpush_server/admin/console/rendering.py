"""Renders pages with jinja2: values are escaped, unknown names are errors, and filters format times and numbers.

Console and portal share the templates in ``shared``; each adds its own folder ``templates`` with its own base.html.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from urllib.parse import quote

import msgspec
from aiohttp import web
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from trackpush_aggregators.updates import rfc3339
from trackpush_api.printable import printable
from trackpush_runtime.reader_time import DEFAULT_ZONE, beside_utc
from trackpush_server.admin.api.shapes import Attempt
from trackpush_server.admin.console import zones

_SHARED: Final = "trackpush_server.admin.console"
_READER: ContextVar[tzinfo] = ContextVar("reader", default=UTC)
"""The time zone of the page's reader, for the filter ``moment``."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_THOUSAND = 1000
NOTHING: Final = "\N{EN DASH}"
"""Placeholder for a missing number or time."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between console and portal in the templates that both use: links, and which replays they offer."""

    root: str
    """Prefix of the paths: ``/console``."""
    pushes: str
    """Link to the search."""
    dead: str
    """Link to the dead pushes."""
    health_link: Callable[[str], str]
    """Takes ``namespace/name`` of a PushConfig; returns the link to its state."""
    tail: str | None = None
    """Link to the live tail; None without one."""
    resends: frozenset[str]
    """States of pushes that a person may send again."""
    resends_filtered: bool = False
    """Whether a person may send updates that a filter had dropped."""


def make_environment(package: str, site: Site) -> Environment:
    """The templates of a package and the shared ones, all read now: pages must not wait for a disk."""
    made = Environment(
        loader=ChoiceLoader([PackageLoader(package), PackageLoader(_SHARED, "shared")]),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
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
        segment=segment,
    )
    made.globals["site"] = site
    for name in made.list_templates():
        made.get_template(name)
    return made


def render(
    environment: Environment, request: web.Request, template: str, context: Mapping[str, Any], *, status: int = 200
) -> web.Response:
    """A page, with times in the zone that its reader has chosen."""
    chosen = request.cookies.get(zones.COOKIE, DEFAULT_ZONE)
    reader = _READER.set(zones.zone_of(chosen))
    try:
        text = environment.get_template(template).render(zones=zones.choices(chosen), **context)
    finally:
        _READER.reset(reader)
    return web.Response(text=text, status=status, content_type="text/html")


def segment(text: str) -> str:
    """A text as one segment of a URL's path."""
    return quote(text, "")


def moment(at: str | float | None, *, in_text: bool = False) -> str:
    """A time in UTC, given as RFC 3339 or as ms since the epoch. ``in_text``: for a sentence, with UTC."""
    if at is None:
        return NOTHING
    text = at if isinstance(at, str) else rfc3339(int(at))
    read = datetime.fromisoformat(text).astimezone(UTC)
    shown = read.strftime("%Y-%m-%d %H:%M:%S")
    beside = beside_utc(read, _READER.get(), datetime.now(UTC))
    shown, beside = (f"{shown} UTC", f"({beside})") if in_text else (shown, beside)
    parts = Markup(", ").join(map(Markup("<span>{}</span>").format, beside.split(", ")))  # a line breaks between them
    return Markup('<time datetime="{}" title="{} UTC">{} <small>{}</small></time>').format(text, text, shown, parts)


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
