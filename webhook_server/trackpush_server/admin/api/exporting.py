"""The export of all pushes that match, as CSV or NDJSON: written page by page, so that memory stays constant."""

from collections.abc import Sequence
from typing import Final, Literal

import msgspec
from aiohttp import web

from trackpush_server.admin import csv_text
from trackpush_server.admin.api import explained, shapes
from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.api.reading import PushSelection, push_query
from trackpush_server.admin.guard import ACCESS
from trackpush_server.admin.problems import ProblemError
from trackpush_server.journal.search import MOST_ROWS, PushPage

MOST_AT_ONCE: Final = 4
"""Exports of one server process at the same time; each reads one page at a time."""


class ExportParams(PushSelection, frozen=True, kw_only=True):
    """Selects pushes; absent fields accept all."""

    format: Literal["csv", "ndjson"] = "csv"


@operation("GET", "/pushes/export", answer=str, errors=(429,), streamed_as=("text/csv", "application/x-ndjson"))
async def export_pushes(call: ApiCall, query: ExportParams) -> web.StreamResponse:
    """All pushes that match, newest first, as CSV, or as one JSON object per line (application/x-ndjson)."""
    running = call.desk.exports
    if len(running) >= MOST_AT_ONCE:
        raise ProblemError(429, f"{MOST_AT_ONCE} exports are running; try again when one has ended")
    wanted = msgspec.structs.replace(push_query(query), limit=MOST_ROWS)
    page = await call.desk.lookup.list_pushes(wanted)  # errors of the query are answered before the stream begins
    running.append(call.identity.actor)
    try:
        response = web.StreamResponse(headers=_headers(query.format))
        await response.prepare(call.request)
        if query.format == "csv":
            await response.write(csv_text.header().encode())
        await response.write(_lines(await _shown(call, page), query.format))
        while page.older is not None and await call.request[ACCESS].is_still(call.request, call.identity):
            page = await call.desk.lookup.list_pushes(msgspec.structs.replace(wanted, cursor=page.older))
            await response.write(_lines(await _shown(call, page), query.format))
        if page.older is None:
            await response.write_eof()
        elif call.request.transport is not None:
            call.request.transport.close()  # the login ended: an incomplete file must not look complete
    finally:
        running.remove(call.identity.actor)
    return response


OPERATIONS: Final = (export_pushes,)


def _headers(form: str) -> dict[str, str]:
    kind = "text/csv; charset=utf-8; header=present" if form == "csv" else "application/x-ndjson"
    return {
        "Content-Type": kind,
        "Content-Disposition": f'attachment; filename="pushes.{form}"',
        "Cache-Control": "no-store",
    }


async def _shown(call: ApiCall, page: PushPage) -> tuple[shapes.Push, ...]:
    return (await explained.pushes(call.desk, page, plain=call.identity.operates)).pushes


def _lines(rows: Sequence[shapes.Push], form: str) -> bytes:
    if form == "csv":
        return "".join(csv_text.push_line(msgspec.to_builtins(row)) for row in rows).encode()
    return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
