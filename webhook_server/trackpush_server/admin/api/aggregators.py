"""The operations that read aggregators and unknown codes."""

import asyncio
from typing import Annotated, Final

from msgspec import Meta

from trackpush_server.admin.aggregators import AggregatorList, CountedCodes, counted_codes, known_aggregators
from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.api.reading import Limit, Params, Text


class AggregatorsParams(Params, frozen=True, kw_only=True):
    """Selects a page of the aggregators."""

    after: Annotated[str, Meta(max_length=512)] = ""
    limit: Limit = 100


class UnknownCodesParams(Params, frozen=True, kw_only=True):
    """Selects unknown codes."""

    aggregator: Text | None = None
    limit: Limit = 100


@operation("GET", "/aggregators")
async def list_aggregators(call: ApiCall, query: AggregatorsParams) -> AggregatorList:
    """Aggregators: built-in ones, those of the catalog, and AggregatorDefinitions."""
    table = call.desk.table()
    return await asyncio.to_thread(known_aggregators, table, after=query.after, limit=query.limit)  # it reads files


@operation("GET", "/unknown-codes")
async def list_unknown_codes(call: ApiCall, query: UnknownCodesParams) -> CountedCodes:
    """Codes that arrived as UNKNOWN since the server's start, by count, with the row to paste."""
    return counted_codes(
        call.desk.unknown_codes(), aggregator=query.aggregator, limit=query.limit, plain=call.identity.operates
    )


OPERATIONS: Final = (list_aggregators, list_unknown_codes)
