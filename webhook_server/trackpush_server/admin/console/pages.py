"""The read-only pages: search, a shipment, a push, clients, live tail, charts, configuration, audit log."""

from typing import Final
from urllib.parse import quote, urlencode

from aiohttp import web

from trackpush_api.vocabulary import Status
from trackpush_server.admin import loaded
from trackpush_server.admin.accounts import accounts
from trackpush_server.admin.api import explained, reading, shapes
from trackpush_server.admin.api.live import TailParams
from trackpush_server.admin.clients import State
from trackpush_server.admin.console import charts
from trackpush_server.admin.console.forms import api_query, asked
from trackpush_server.admin.console.hints import client_names, similar
from trackpush_server.admin.console.links import link, plain, see
from trackpush_server.admin.console.templating import page
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.problems import ProblemError
from trackpush_server.ids import parse_push_id
from trackpush_server.journal import error_class
from trackpush_server.journal.search import PushQuery, ShipmentQuery

_PAGING: Final = frozenset({"cursor", "newer", "limit"})
_MOST_ACCOUNTS = 200
"""Accounts on the page of one client."""
_STATES: tuple[State, ...] = ("failing", "gone", "missing", "suspended", "elsewhere", "delivering")


class ConsolePages:
    """The handlers of these pages."""

    def __init__(self, desk: AdminServices) -> None:
        self._desk = desk

    async def search(self, request: web.Request) -> web.Response:
        """Pushes by AWB, order, client, status and time."""
        query = asked(request, reading.PushesParams, limit=50)
        rows = await self._desk.lookup.list_pushes(reading.push_query(query))
        found = await explained.pushes(self._desk, rows, plain=plain(request))
        clients = client_names(self._desk.table()) if query.client and not found.pushes else frozenset[str]()
        context = {
            "found": found,
            "similar": similar(query.client or "", clients),
            "known": query.client in clients,
            "client_link": lambda name: link(request, client=name, cursor=None),
            "query": request.query,
            "statuses": [status.value for status in Status],
            "states": list(shapes.STATES.values()),
            "older": link(request, cursor=found.older, newer=None),
            "newer": link(request, cursor=found.newer, newer="true"),
            "errors": error_class.NAMES,
            "export": f"/api/v1/pushes/export?{urlencode(api_query(request, without=_PAGING))}",
            "asked": bool({*request.query} - {"cursor", "newer"}),
        }
        return page(request, "search.html", context, active="search")

    async def find(self, request: web.Request) -> web.Response:
        """Search by an AWB, an order or a push id."""
        text = request.query.get("q", "").strip()[:256]
        if not text:
            return see("/console/search")
        try:
            parse_push_id(text)
        except ValueError:
            pass
        else:
            return see(f"/console/pushes/{text}")
        if (await self._desk.lookup.timeline(ShipmentQuery(shipment=text, limit=1))).entries:
            return see(f"/console/shipments/{quote(text, safe='')}")
        if (await self._desk.lookup.list_pushes(PushQuery(order_id=text, limit=1))).rows:
            return see(f"/console/search?{urlencode({'orderId': text})}")
        return self._unfound(request, text)

    def _unfound(self, request: web.Request, text: str) -> web.Response:
        context = {"text": text, "similar": similar(text, client_names(self._desk.table()))}
        return page(request, "unfound.html", context, active="search", status=404)

    async def shipment(self, request: web.Request) -> web.Response:
        name = request.match_info["shipment"]
        query = asked(request, reading.ShipmentParams, limit=50)
        timeline = await self._desk.lookup.timeline(
            ShipmentQuery(shipment=name, client=query.client, after=query.after, limit=query.limit)
        )
        if not timeline.entries and not query.after:
            return self._unfound(request, name)
        story = await explained.shipment(self._desk, timeline, plain=plain(request))
        context = {"name": name, "story": story, "more": link(request, after=story.after)}
        return page(request, "shipment.html", context, active="search")

    async def push(self, request: web.Request) -> web.Response:
        """One push with its attempts and bodies."""
        detail = await self._desk.lookup.show(request.match_info["id"])
        if detail is None:
            raise ProblemError(404, "There is no such push; retention may have deleted it.")
        whole = await explained.push_whole(self._desk, detail, plain=plain(request))
        return page(request, "push.html", {"whole": whole, "push": whole.push}, active="search")

    async def clients(self, request: web.Request) -> web.Response:
        query = asked(request, reading.ClientsParams, limit=100)
        overview = await reading.overview(self._desk)
        found = overview.worst_first(state=query.state, after=_place(query.after), limit=query.limit)
        more = "{}/{}".format(*found[-1][0]) if len(found) == query.limit else None
        context = {
            "found": [health for _, health in found],
            "states": _STATES,
            "numbers": overview.states(),
            "state": query.state,
            "more": link(request, after=more),
        }
        return page(request, "clients.html", context, active="clients")

    async def client(self, request: web.Request) -> web.Response:
        """One client: its PushConfigs, with charts of one of them."""
        name = request.match_info["client"]
        query = asked(request, reading.PushConfigsParams, client=name, limit=50)
        overview = await reading.overview(self._desk)
        found = overview.push_configs(client=name, after=query.after, limit=query.limit)
        own = accounts(await self._desk.activity(), client=name, limit=_MOST_ACCOUNTS)
        if not (found or own.accounts or query.after):
            raise ProblemError(404, f"No PushConfig or account of a client {name[:256]} is known here.")
        more = found[-1].name if len(found) == query.limit else None
        drawn = [(push_config, charts.of_push_config(self._desk, push_config.name)) for push_config in found]
        context = {
            "name": name,
            "found": drawn,
            "more": link(request, after=more),
            "accounts": own.accounts,
            "more_accounts": None if own.after is None else f"/console/config?{urlencode({'client': name})}",
        }
        return page(request, "client.html", context, active="clients")

    async def tail(self, request: web.Request) -> web.Response:
        """The live tail, whose events are loaded by script."""
        query = asked(request, TailParams)
        source = {"client": query.client, "pushConfig": query.push_config, "failed": "true" if query.failed else None}
        url = "/api/v1/tail?" + urlencode({key: value for key, value in source.items() if value})
        return page(request, "tail.html", {"url": url, "query": request.query}, active="tail")

    async def charts(self, request: web.Request) -> web.Response:
        """Rate, latency and queue age of the last hour."""
        query = asked(request, reading.SeriesParams)
        name = query.push_config
        drawn = charts.of_server(self._desk) if name is None else charts.of_push_config(self._desk, name)
        return page(request, "charts.html", {"charts": drawn, "name": name}, active="charts")

    async def config(self, request: web.Request) -> web.Response:
        query = asked(request, reading.ConfigParams, limit=100)
        found = loaded.configuration(
            self._desk.report(), self._desk.table(), client=query.client, after=query.after, limit=query.limit
        )
        context = {
            "found": found,
            "query": request.query,
            "more": link(request, after=found.after),
            "last_updates": {account.name: account.last_update for account in await self._desk.activity()},
        }
        return page(request, "config.html", context, active="config")

    async def audit(self, request: web.Request) -> web.Response:
        query = asked(request, reading.AuditsParams, limit=100)
        rows = await self._desk.lookup.audits(before=query.before, limit=query.limit)
        before = rows[-1].id if len(rows) == query.limit else None
        return page(request, "audit.html", {"rows": rows, "more": link(request, before=before)}, active="audit")


def _place(after: str) -> tuple[int, str] | None:
    """The place of a client among those with the worst state first, as the link to the next page has it.

    Raises:
        ValueError: it is not such a place.
    """
    if not after:
        return None
    rank, slash, name = after.partition("/")
    if not (slash and rank.isascii() and rank.isdigit()):
        raise ValueError("after: use the page's link to more clients")
    return int(rank), name
