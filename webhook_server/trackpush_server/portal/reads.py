"""The pages that only read: overview, pushes, one push, one shipment, help."""

from typing import Annotated, Final
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web
from msgspec import Meta

from trackpush_api.vocabulary import Status
from trackpush_server.admin.api import reading, shapes
from trackpush_server.admin.console.forms import asked
from trackpush_server.admin.finding import StatusFinding
from trackpush_server.ids import parse_push_id
from trackpush_server.journal import error_class
from trackpush_server.journal.search import PushQuery
from trackpush_server.portal import cursors
from trackpush_server.portal.page import link, page, scope, see
from trackpush_server.portal.scope import NotOwnError
from trackpush_server.portal.services import SERVICES
from trackpush_server.portal.visitor import visitor
from trackpush_server.portal.wrong_now import wrong_now

_ROWS: Final = 50
_Cursor = Annotated[str, Meta(min_length=1, max_length=128)]
_NOT_REPLAYABLE: Final = ("orderId", "status")
"""Filters that a replay doesn't have."""


class VisitorPushesParams(reading.PushSelection, frozen=True, kw_only=True):
    """Selects a page of pushes. ``client`` has no effect: the visitor's link decides."""

    cursor: _Cursor | None = None
    newer: bool = False


class VisitorShipmentParams(reading.Params, frozen=True, kw_only=True):
    """Selects a part of a shipment's history."""

    after: _Cursor | None = None


class LinkedFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One problem as the overview shows it."""

    finding: StatusFinding
    link: str | None


async def overview(request: web.Request) -> web.Response:
    """What is wrong now, the state of each endpoint, rates, accounts."""
    own, desk = scope(request), request.app[SERVICES].desk
    found = await wrong_now(desk, own)
    health = await own.push_configs()
    context = {
        "rows": [LinkedFinding(finding=finding, link=finding_link(finding)) for finding in found],
        "errors": sum(finding.severity == "error" for finding in found),
        "found": [(entry, own.charts(entry.name)) for entry in health],
        "served": own.served(),
        "accounts": await own.accounts(),
        "rates": await own.rates(),
    }
    return page(request, "overview.html", context, active="overview")


def finding_link(finding: StatusFinding) -> str | None:
    """The place with the details of a finding."""
    if finding.kind != "PushConfig":
        return "#accounts"
    if finding.reason == "PushesDied":
        return f"/portal/pushes?{urlencode({'state': 'dead', 'pushConfig': finding.name})}"
    return f"#{finding.name.replace('/', '-')}"


async def pushes(request: web.Request) -> web.Response:
    """Pushes by AWB, order, status, state and time."""
    who, own = visitor(request), scope(request)
    query = asked(request, VisitorPushesParams)
    cursor = None if query.cursor is None else cursors.unseal(query.cursor, who.csrf)
    wanted = msgspec.structs.replace(reading.push_query(query), limit=_ROWS, cursor=cursor, newer=query.newer)
    found = await own.pushes(wanted)
    given = {name for name, value in request.query.items() if value.strip()}
    context = {
        "found": found,
        "query": request.query,
        "served": own.served(),
        "statuses": [status.value for status in Status],
        "states": list(shapes.STATES.values()),
        "errors": error_class.NAMES,
        "older": _page_link(request, found.older, who.csrf, newer=None),
        "newer": _page_link(request, found.newer, who.csrf, newer="true"),
        "asked": bool(given - {"cursor", "newer"}),
        "resends": query.state == "dead" and not given.intersection(_NOT_REPLAYABLE),
    }
    return page(request, "pushes.html", context, active="dead" if query.state == "dead" else "pushes")


def _page_link(request: web.Request, cursor: str | None, secret: str, *, newer: str | None) -> str | None:
    return None if cursor is None else link(request, cursor=cursors.seal(cursor, secret), newer=newer)


async def find(request: web.Request) -> web.Response:
    """Search by an AWB, an order or a push id."""
    own, text = scope(request), request.query.get("q", "").strip()[:256]
    if not text:
        return see("/portal/pushes")
    try:
        parse_push_id(text)
    except ValueError:
        pass
    else:
        await own.detail(text)
        return see(f"/portal/pushes/{text}")
    if (await own.shipment(text, limit=1)).updates:
        return see(f"/portal/shipments/{quote(text, safe='')}")
    if (await own.pushes(PushQuery(order_id=text, limit=1))).pushes:
        return see(f"/portal/pushes?{urlencode({'orderId': text})}")
    raise NotOwnError


async def push(request: web.Request) -> web.Response:
    """One push: why, attempts, the request, and the bodies."""
    whole = await scope(request).push(request.match_info["id"])
    return page(request, "push.html", {"whole": whole, "push": whole.push}, active="pushes")


async def shipment(request: web.Request) -> web.Response:
    """A shipment's history."""
    who, name = visitor(request), request.match_info["shipment"]
    query = asked(request, VisitorShipmentParams)
    after = 0 if query.after is None else int(cursors.unseal(query.after, who.csrf))
    story = await scope(request).shipment(name, after=after, limit=_ROWS)
    if not story.updates and not after:
        raise NotOwnError
    more = None if story.after is None else cursors.seal(str(story.after), who.csrf)
    context = {"name": name, "story": story, "more": link(request, after=more)}
    return page(request, "shipment.html", context, active="pushes")


async def help_page(request: web.Request) -> web.Response:
    """What a client's developer needs to know."""
    return page(request, "help.html", {"served": scope(request).served()}, active="help")
