"""The first page: what is wrong now, the queues, and for a fresh server what to do next. docs/overview.md."""

import sys
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web

from trackpush_aggregators.catalog import CATALOG
from trackpush_api.account_url import account_url
from trackpush_api.definitions import profiles
from trackpush_api.routing import RoutingTable
from trackpush_server.admin.api.findings import findings, summed_rates
from trackpush_server.admin.console.links import see
from trackpush_server.admin.console.templating import page
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.finding import ServerFindings, StatusFinding
from trackpush_server.admin.rates import Rates, busiest
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.search import PushQuery

_MOST_FINDINGS = 100
_MOST_QUEUES = 10
_MOST_CLIENTS = 20
_MOST_STEPS = 10
_OF_CLIENTS = frozenset({"PushConfig", "AggregatorWebhook"})


class FindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One finding as the page shows it."""

    finding: StatusFinding
    link: str | None


class FirstStep(msgspec.Struct, frozen=True, kw_only=True):
    """What to do for one account, before its first update."""

    account: str
    aggregator: str
    url: str
    """The URL to paste into the aggregator's panel."""


class OverviewPage:
    """The handler of this page."""

    def __init__(self, desk: AdminServices) -> None:
        self._desk = desk

    async def show(self, request: web.Request) -> web.Response:
        if request.query:  # this was the address of the search
            return see(f"/console/search?{urlencode(request.query)}")
        found = await findings(self._desk)
        table = self._desk.table()
        fresh = await self._is_fresh(found)
        counted = None if fresh else await self._rates()
        context = {
            "found": found,
            "rows": [
                FindingRow(finding=finding, link=finding_link(finding)) for finding in found.findings[:_MOST_FINDINGS]
            ],
            "more": max(0, len(found.findings) - _MOST_FINDINGS),
            "errors": sum(finding.severity == "error" for finding in found.findings),
            "queues": found.queues[:_MOST_QUEUES],
            "rates": counted,
            "busiest": () if counted is None else busiest(counted.clients, _MOST_CLIENTS),
            "fresh": fresh,
            "accounts": 0 if table is None else len(table.accounts),
            "steps": first_steps(table) if fresh and table is not None else [],
        }
        return page(request, "overview.html", context, active="overview")

    async def _rates(self) -> Rates | None:
        """The rates of all clients; None if the journal can't be read, which is a finding."""
        try:
            return await summed_rates(self._desk, limit=sys.maxsize)
        except JournalUnavailableError:
            return None

    async def _is_fresh(self, found: ServerFindings) -> bool:
        """Whether the journal has no push at all; a journal that can't be read is not fresh."""
        if found.queues:
            return False
        try:
            return not (await self._desk.lookup.list_pushes(PushQuery(limit=1))).rows
        except JournalUnavailableError:
            return False


def first_steps(table: RoutingTable) -> list[FirstStep]:
    """The URLs to paste for the first accounts. If a URL contains the key, it shows where the key belongs."""
    server = table.server
    known = profiles(server.definitions, CATALOG)
    steps = []
    for account in table.accounts[:_MOST_STEPS]:
        facts = known.get(account.aggregator)
        if facts is not None:
            url = account_url(server, facts)
            steps.append(FirstStep(account=account.name, aggregator=account.aggregator, url=url))
    return steps


def finding_link(finding: StatusFinding) -> str | None:
    """The page with the details of a finding."""
    namespace = finding.name.partition("/")[0]
    client = f"/console/clients/{quote(namespace, safe='')}"
    found = {
        ("PushConfig", "PushesDied"): f"/console/dead?{urlencode({'pushConfig': finding.name})}",
        ("AggregatorWebhook", "Unrecognised"): "/console/inbox",
        ("Aggregator", "UnknownKey"): "/console/inbox",
        ("WebhookServer", "BrokenConfig"): "/console/config",
        ("WebhookServer", "ConfigWarning"): "/console/config",
        ("Aggregator", "UnknownCodes"): f"/console/aggregators/{quote(finding.name, safe='')}",
    }
    return found.get((finding.kind, finding.reason), client if finding.kind in _OF_CLIENTS else None)
