"""The operations of the Overview: what is wrong now, and the rates of the last day and week."""

import asyncio
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
    return await summed_rates(call.desk, after=query.after, limit=query.limit)


OPERATIONS: Final = (list_findings, list_rates)


async def summed_rates(desk: AdminServices, *, after: str = "", limit: int) -> Rates:
    """The rates of a page of clients, computed in a thread: with thousands of clients it takes tens of milliseconds.

    Raises:
        JournalUnavailableError: the journal can't be read.
    """
    sums = await desk.rollups.sums()
    return await asyncio.to_thread(rates, sums, now=desk.wall(), after=after, limit=limit)


async def findings(desk: AdminServices) -> ServerFindings:
    seen = Observed(
        readiness=await desk.readiness(),
        report=desk.report(),
        undelivered=desk.undelivered(),
        unreachable=desk.unreachable(),
        unknown=desk.unknown_codes(),
        activity=await desk.activity(),
        unknown_keys=desk.unknown_keys(),
        now=desk.wall(),
    )
    try:
        seen = await _with_journal(desk, seen)
    except JournalUnavailableError as error:
        seen = msgspec.structs.replace(seen, unread=str(error))
    return await asyncio.to_thread(server_findings, seen)  # with thousands of clients it takes tens of milliseconds


async def _with_journal(desk: AdminServices, seen: Observed) -> Observed:
    return msgspec.structs.replace(
        seen,
        waiting=(await overview(desk)).waiting(),
        died=died(await desk.rollups.sums()),
        inbox=await desk.lookup.count_unrecognised(),
    )
