"""What is wrong now for one client: the findings of the overview, of this client alone, in words for its people."""

from collections.abc import Mapping
from typing import Final

import msgspec

from trackpush_server.admin.api.reading import overview
from trackpush_server.admin.desk import AdminServices
from trackpush_server.admin.finding import StatusFinding
from trackpush_server.admin.findings import Observed, server_findings
from trackpush_server.admin.health import Readiness
from trackpush_server.admin.rates import died
from trackpush_server.admin.undelivered import Undelivered
from trackpush_server.portal.scope import ClientScope
from trackpush_server.telemetry.unknown_codes import CodeCounts

_ASK: Final = "Ask the people who run Trackpush."
_INSTEAD: Final[Mapping[str, str]] = {
    "Missing": f"This PushConfig is not configured any more, and pushes wait for it. {_ASK}",
    "SenderRefused": f"The last requests of its aggregator were refused. {_ASK}",
    "Silent": "Its aggregator sends no updates, for longer than expected: look into the aggregator's panel.",
    "Unrecognised": f"Bodies of its aggregator name no shipment, so nothing could be pushed. {_ASK}",
}
"""By reason; the other messages contain nothing that a visitor can't use."""
_COMMAND: Final = " See them: trackpush "
"""From here on, a message names a command for the people who run the server."""


async def wrong_now(desk: AdminServices, scope: ClientScope) -> tuple[StatusFinding, ...]:
    """What is wrong now, errors first.

    Raises:
        JournalUnavailableError: the journal can't be read.
    """
    endpoints = desk.undelivered()
    waiting = (await overview(desk)).waiting()
    found = Observed(
        readiness=Readiness(),
        report=(),
        undelivered=Undelivered(
            push_configs=tuple(entry for entry in endpoints.push_configs if scope.owns(entry.name)),
            refused_accounts=tuple(entry for entry in endpoints.refused_accounts if scope.owns(entry.name)),
        ),
        unknown=CodeCounts(since=0, codes=()),
        now=desk.wall(),
        waiting=tuple(entry for entry in waiting if scope.owns(entry.push_config)),
        inbox=tuple(count for count in await desk.lookup.count_unrecognised() if scope.owns(count.account)),
        activity=tuple(account for account in await desk.activity() if scope.owns(account.name)),
        died={name: number for name, number in died(await desk.rollups.sums()).items() if scope.owns(name)},
    )
    return tuple(_for_people(finding) for finding in server_findings(found).findings if scope.owns(finding.name))


def _for_people(finding: StatusFinding) -> StatusFinding:
    message = _INSTEAD.get(finding.reason) or finding.message.partition(_COMMAND)[0]
    return msgspec.structs.replace(finding, message=message)
