"""The operation that says what is wrong now."""

from typing import Final

import msgspec

from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.api.reading import overview
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.finding import ServerFindings
from trackpush_server.admin.findings import Observed, server_findings
from trackpush_server.journal.model import JournalUnavailableError


@operation("GET", "/findings")
async def list_findings(call: ApiCall) -> ServerFindings:
    """What is wrong now, errors first; also answered while the journal can't be read."""
    return await findings(call.desk)


OPERATIONS: Final = (list_findings,)


async def findings(desk: AdminServices) -> ServerFindings:
    seen = Observed(
        readiness=await desk.readiness(),
        report=desk.report(),
        undelivered=desk.undelivered(),
        unknown=desk.unknown_codes(),
        activity=desk.activity(),
    )
    try:
        return server_findings(await _with_journal(desk, seen))
    except JournalUnavailableError as error:
        return server_findings(msgspec.structs.replace(seen, unread=str(error)))


async def _with_journal(desk: AdminServices, seen: Observed) -> Observed:
    return msgspec.structs.replace(
        seen,
        waiting=(await overview(desk)).waiting(),
        inbox=await desk.lookup.count_unrecognised(),
    )
