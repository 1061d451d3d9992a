"""The first page: what is wrong now, the queues, and for a fresh server what to do next. docs/overview.md."""

from datetime import datetime
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import web

from trackpush_aggregators.catalog import CATALOG
from trackpush_api.account_url import account_url
from trackpush_api.definitions import profiles
from trackpush_api.routing import RoutingTable
from trackpush_server.admin.api.findings import findings
from trackpush_server.admin.console.links import see
from trackpush_server.admin.console.templating import duration, page
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.finding import ServerFindings, StatusFinding
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.search import PushQuery

_MOST_FINDINGS = 100
_MOST_QUEUES = 10
_MOST_STEPS = 10


class FindingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One finding as the page shows it."""

    finding: StatusFinding
    link: str | None
    ago: str
    """Age of the problem; empty if its start is unknown."""


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
        now = self._desk.wall()
        table = self._desk.table()
        fresh = await self._is_fresh(found)
        context = {
            "found": found,
            "rows": [_row(finding, now) for finding in found.findings[:_MOST_FINDINGS]],
            "more": max(0, len(found.findings) - _MOST_FINDINGS),
            "errors": sum(finding.severity == "error" for finding in found.findings),
            "queues": found.queues[:_MOST_QUEUES],
            "fresh": fresh,
            "accounts": 0 if table is None else len(table.accounts),
            "steps": first_steps(table) if fresh and table is not None else [],
        }
        return page(request, "overview.html", context, active="overview")

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
    client = quote(finding.name.partition("/")[0], safe="")
    match finding.kind, finding.condition:
        case "PushConfig", _:
            return f"/console/clients/{client}"
        case "Aggregator", _:
            return f"/console/aggregators/{quote(finding.name, safe='')}"
        case "AggregatorWebhook", _:
            return f"/console/config?{urlencode({'client': finding.name.partition('/')[0]})}"
        case _, "Programmed":
            return "/console/config"
        case _:
            return None


def _row(finding: StatusFinding, now: float) -> FindingRow:
    since = None if finding.since is None else datetime.fromisoformat(finding.since).timestamp()
    ago = "" if since is None else f"{duration(round(max(1.0, now - since)))} ago"
    return FindingRow(finding=finding, link=finding_link(finding), ago=ago)
