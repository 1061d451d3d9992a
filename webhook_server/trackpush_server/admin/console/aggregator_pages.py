"""The pages of the aggregators: their definitions, samples and unknown codes."""

import asyncio

from aiohttp import web

from trackpush_server.admin.aggregators import counted_codes, known_aggregators, shown_aggregator
from trackpush_server.admin.api.aggregators import AggregatorsParams, UnknownCodesParams
from trackpush_server.admin.console.forms import asked
from trackpush_server.admin.console.links import link, plain
from trackpush_server.admin.console.templating import page
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.problems import ProblemError

_SHOWN = 100
"""Codes and aggregators of one page."""


class AggregatorPages:
    """The handlers of these pages."""

    def __init__(self, desk: AdminServices) -> None:
        self._desk = desk

    async def overview(self, request: web.Request) -> web.Response:
        """All aggregators, and the most frequent unknown codes."""
        query = asked(request, AggregatorsParams, limit=_SHOWN)
        table = self._desk.table()
        found = await asyncio.to_thread(
            known_aggregators, table, after=query.after, limit=query.limit
        )  # it reads files
        unknown = counted_codes(self._desk.unknown_codes(), limit=_SHOWN, plain=plain(request))
        context = {"found": found.aggregators, "unknown": unknown, "more": link(request, after=found.after)}
        return page(request, "aggregators.html", context, active="aggregators")

    async def codes(self, request: web.Request) -> web.Response:
        """All unknown codes, or those of one aggregator."""
        query = asked(request, UnknownCodesParams, limit=1000)
        unknown = counted_codes(
            self._desk.unknown_codes(), aggregator=query.aggregator, limit=query.limit, plain=plain(request)
        )
        context = {"unknown": unknown, "name": query.aggregator}
        return page(request, "unknown-codes.html", context, active="aggregators")

    async def one(self, request: web.Request) -> web.Response:
        """One aggregator: its definition, its samples, and its unknown codes."""
        name = request.match_info["aggregator"]
        shown = await asyncio.to_thread(shown_aggregator, self._desk.table(), name)  # it reads files
        if shown is None:
            raise ProblemError(404, f"No aggregator {name[:256]} is known here.")
        unknown = counted_codes(self._desk.unknown_codes(), aggregator=name, limit=_SHOWN, plain=plain(request))
        context = {"shown": shown, "known": shown.known, "unknown": unknown}
        return page(request, "aggregator.html", context, active="aggregators")
