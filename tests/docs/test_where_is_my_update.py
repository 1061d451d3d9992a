"""The runbook's commands, run against a server without a cluster: from AWB to cause to replay."""

import io
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from support.missing_update import REJECTED, STEPS, WAITING, Case, missing_updates
from trackpush_server import logs

pytestmark = [pytest.mark.slow, pytest.mark.process]


@pytest.fixture
async def case(tmp_path: Path) -> AsyncIterator[Case]:
    logs.configure("json", io.StringIO())
    async with missing_updates(tmp_path) as made:
        yield made
    structlog.reset_defaults()


async def test_from_awb_to_cause_to_replay_in_four_commands(case: Case) -> None:
    story = await case.step_without_cluster(1)
    await case.step_without_cluster(2)
    tries = await case.step_without_cluster(3)
    case.repaired.set()
    replayed = await case.step_without_cluster(4)
    await case.until_state(REJECTED, "delivered", "Delivered")

    assert re.search(r"acme/push +dead +6 +Refused: .*HTTP 422: unknown courier", story)
    assert tries.count("HTTP 422: unknown courier") >= 6
    assert "1 pushes are pending again" in replayed


async def test_a_push_that_waits_says_why_and_is_tried_at_once(case: Case) -> None:
    story = await case.step_without_cluster(1, shipment=WAITING)
    tried = await case.step_without_cluster(3, 5, shipment=WAITING, exit_code=1)

    assert re.search(r"acme/down +pending +\d+ +EndpointFailing: .*HTTP 503: maintenance until six", story)
    assert re.search(r"why: +EndpointFailing: .*HTTP 503: maintenance until six", tried)
    assert "503" in tried.splitlines()[-1], "the answer to this attempt"


async def test_shipments_are_found_by_order_by_several_awbs_and_by_status_and_state(case: Case) -> None:
    by_order, both, dead = [
        await case.run(line, REJECTED, Path(sys.executable).parent, {})
        for line in STEPS["0"].replace("kubectl trackpush", "trackpush").splitlines()
    ]

    assert (REJECTED in by_order, WAITING in by_order) == (True, False)
    assert (REJECTED in both, WAITING in both) == (True, True)
    assert (REJECTED in dead, WAITING in dead) == (True, False)


async def test_a_silent_account_is_found_where_the_page_looks(case: Case) -> None:
    status = await case.step_without_cluster(2)

    assert re.search(r"acme/shipway +Receiving +Silent +7h0\dm ago", status)
    assert re.search(r"acme/down +\w+ +EndpointFailing", status)
