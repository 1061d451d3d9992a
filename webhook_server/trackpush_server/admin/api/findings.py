"""The operations of the Overview: what is wrong now, and the rates of the last day and week."""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.api.reading import Limit, Params, overview
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.finding import ServerFindings
from trackpush_server.admin.findings import Observed, server_findings
from trackpush_server.admin.rates import Rates, died, rates
from trackpush_server.journal.model import JournalUnavailableError


class RatesParams(Params, frozen=True, kw_only=True):
    """Selects a page of clients."""

    after: Annotated[str, Meta(max_length=512)] = ""
    limit: Limit = 100


@operation("GET", "/findings")
async def list_findings(call: ApiCall) -> ServerFindings:
    """What is wrong now, errors first; also answered while the journal can't be read."""
    return await findings(call.desk)


@operation("GET", "/rates")
async def list_rates(call: ApiCall, query: RatesParams) -> Rates:
    """Updates and pushes of the last 24 hours and 7 days, by client, aggregator and status."""
    desk = call.desk
    return rates(await desk.rollups.sums(), now=desk.wall(), after=query.after, limit=query.limit)


OPERATIONS: Final = (list_findings, list_rates)


async def findings(desk: AdminServices) -> ServerFindings:
    seen = Observed(
        readiness=await desk.readiness(),
        report=desk.report(),
        undelivered=desk.undelivered(),
        unknown=desk.unknown_codes(),
        activity=desk.activity(),
        unknown_keys=desk.unknown_keys(),
        now=desk.wall(),
    )
    try:
        return server_findings(await _with_journal(desk, seen))
    except JournalUnavailableError as error:
        return server_findings(msgspec.structs.replace(seen, unread=str(error)))


async def _with_journal(desk: AdminServices, seen: Observed) -> Observed:
    return msgspec.structs.replace(
        seen,
        waiting=(await overview(desk)).waiting(),
        died=died(await desk.rollups.sums()),
        inbox=await desk.lookup.count_unrecognised(),
    )
