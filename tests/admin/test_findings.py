"""What is wrong now: one function computes it for the console and the command line."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web
from msgspec.structs import replace

from support.command import invoked
from support.serving import serving
from trackpush_server import logs
from trackpush_server.admin.clients import Waiting
from trackpush_server.admin.console.overview import finding_link
from trackpush_server.admin.finding import ServerFindings, StatusFinding
from trackpush_server.admin.findings import Observed, server_findings
from trackpush_server.admin.health import Readiness
from trackpush_server.admin.undelivered import Failing, RefusedAccount, Undelivered
from trackpush_server.config.watch import Report
from trackpush_server.journal.inbox import InboxCount
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.silence.activity import AccountActivity
from trackpush_server.telemetry.unknown_codes import CodeCounts, UnknownCode

REPORT = Report(
    source="", revision="r", server="trackpush/main", loaded_at=0.0, accounts=1, push_configs=3, complete=True,
    files={}, problems=(), warnings=(), kept=(),
)  # fmt: skip
CALM = Observed(
    readiness=Readiness(),
    report=REPORT,
    undelivered=Undelivered(push_configs=()),
    unknown=CodeCounts(since=0, codes=()),
)


@pytest.fixture
def _logging() -> Iterator[None]:
    logs.configure("json", io.StringIO())
    yield
    structlog.reset_defaults()


def unknown(aggregator: str, code: str, count: int, first_at: int = 1000) -> UnknownCode:
    return UnknownCode(
        aggregator=aggregator, code=code, label=None, values=(), count=count, first_at=first_at, last_at=first_at
    )


def silent(name: str, last_update: int | None = None) -> AccountActivity:
    return AccountActivity(
        name=name, aggregator="Clickpost", state="silent", last_update=last_update, silent_since=last_update or 1000,
        expect_every=3600.0,
    )  # fmt: skip


def shown(found: ServerFindings) -> list[tuple[str, str, str, str]]:
    return [(each.severity, each.kind, each.name, each.reason) for each in found.findings]


def test_a_server_in_order_has_no_finding() -> None:
    found = server_findings(CALM)

    assert (found.server, found.clients, found.findings, found.queues) == ("trackpush/main", 3, (), ())


def test_every_source_of_problems_is_a_finding_and_errors_come_first() -> None:
    seen = Observed(
        readiness=Readiness(reasons=("the disk is full",), warnings=("100 updates are lost",)),
        report=replace(REPORT, problems=("a.yaml:1: wrong",), warnings=("b.yaml:2: odd",)),
        undelivered=Undelivered(
            push_configs=(Failing(name="acme/oms", reason="EndpointFailing", since=1764500000, message="HTTP 500"),),
            refused_accounts=(
                RefusedAccount(name="acme/clickpost", in_a_row=20),
                RefusedAccount(name="acme/st", in_a_row=19),
            ),
        ),
        unknown=CodeCounts(since=0, codes=(unknown("Clickpost", "77", 2, 5000), unknown("Clickpost", "78", 1))),
        waiting=(
            Waiting(push_config="old/oms", state="missing", pending=4, dead=0, age_seconds=9.0),
            Waiting(push_config="old/done", state="missing", pending=0, dead=3, age_seconds=0.0),
        ),
        activity=(
            silent("acme/clickpost"),
            silent("acme/shipway", last_update=1_764_500_000_000),
            silent("acme/st"),
            AccountActivity(name="acme/xpressbees", aggregator="xpressbees", state="receiving", last_update=5),
        ),
        died={"acme/oms": 1, "old/done": 2},
        inbox=(InboxCount(account="acme/shipway", entries=2, bytes=9, oldest_received_at=0),),
    )

    found = server_findings(seen)

    assert shown(found) == [
        ("error", "WebhookServer", "trackpush/main", "NotReady"),
        ("error", "WebhookServer", "trackpush/main", "JournalIncomplete"),
        ("error", "PushConfig", "acme/oms", "EndpointFailing"),
        ("error", "PushConfig", "old/oms", "Missing"),
        ("error", "AggregatorWebhook", "acme/clickpost", "SenderRefused"),
        ("error", "AggregatorWebhook", "acme/shipway", "Silent"),
        ("error", "AggregatorWebhook", "acme/st", "Silent"),
        ("error", "WebhookServer", "trackpush/main", "BrokenConfig"),
        ("warning", "WebhookServer", "trackpush/main", "ConfigWarning"),
        ("warning", "PushConfig", "old/done", "PushesDied"),
        ("warning", "AggregatorWebhook", "acme/shipway", "Unrecognised"),
        ("warning", "Aggregator", "Clickpost", "UnknownCodes"),
    ]
    assert found.findings[2].since == "2025-11-30T10:53:20Z"
    assert found.findings[5].since == "2025-11-30T10:53:20Z"
    assert found.findings[5].message.startswith("its aggregator sends no updates any more")
    assert found.findings[6].message.startswith("its aggregator never sent an update")
    assert [account.name for account in found.accounts] == [
        "acme/clickpost", "acme/st", "acme/shipway", "acme/xpressbees",
    ]  # fmt: skip
    assert found.findings[-1].message.startswith("3 updates with 2 different codes became UNKNOWN")
    assert found.findings[9].message.startswith("2 pushes died in the last 24 hours; dead now: 3.")
    assert found.findings[-1].since == "1970-01-01T00:00:01Z"
    assert [(queue.push_config, queue.oldest_seconds) for queue in found.queues] == [
        ("old/oms", 9.0),
        ("old/done", None),
    ]


def test_codes_that_a_sender_chose_are_not_in_findings() -> None:
    found = server_findings(replace(CALM, unknown=CodeCounts(since=0, codes=(unknown("Clickpost", "Asha Rao", 1),))))

    assert "Asha" not in str(found)


def test_without_a_configuration_its_problems_are_findings_of_this_server() -> None:
    found = server_findings(replace(CALM, report=("a.yaml:1: wrong",)))

    assert (found.server, found.clients) == (None, None)
    assert shown(found) == [("error", "WebhookServer", "this server", "BrokenConfig")]


@pytest.mark.usefixtures("_logging")
async def test_a_journal_that_cannot_be_read_is_a_finding_and_the_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> Any:
        raise JournalUnavailableError("the file is damaged")

    async with serving(tmp_path) as server, aiohttp.ClientSession() as session:
        monkeypatch.setattr(server._telemetry.sampler, "counts", fail)
        async with session.get(f"http://{server.admin_address}/api/v1/findings") as answer:
            found = await answer.json()
        result = await invoked("status", "--admin", server.admin_address)

    assert (answer.status, [each["reason"] for each in found["findings"]]) == (200, ["JournalUnreadable"])
    assert result.exit_code == 1
    assert "the file is damaged" in result.stdout


async def test_a_server_that_is_older_than_the_command_is_a_problem_that_names_the_remedy() -> None:
    async def older(request: web.Request) -> web.Response:
        return web.json_response({}) if request.path == "/config" else web.Response(status=404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", older)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        result = await invoked("status", "--admin", "{}:{}".format(*runner.addresses[0][:2]))
    finally:
        await runner.cleanup()

    assert result.exit_code == 1
    assert "older than this command" in result.stdout


@pytest.mark.parametrize(
    ("kind", "name", "reason", "page"),
    [
        ("PushConfig", "acme/oms", "EndpointFailing", "/console/clients/acme"),
        ("PushConfig", "acme/oms", "PushesDied", "/console/dead?pushConfig=acme%2Foms"),
        ("AggregatorWebhook", "acme/clickpost", "Silent", "/console/clients/acme"),
        ("AggregatorWebhook", "acme/clickpost", "Unrecognised", "/console/inbox"),
        ("Aggregator", "clickpost", "UnknownCodes", "/console/aggregators/clickpost"),
        ("Aggregator", "clickpost", "UnknownKey", "/console/inbox"),
        ("WebhookServer", "trackpush/main", "BrokenConfig", "/console/config"),
        ("WebhookServer", "trackpush/main", "NotReady", None),
    ],
)
def test_a_finding_links_to_the_page_with_its_details(kind: str, name: str, reason: str, page: str | None) -> None:
    finding = StatusFinding(kind=kind, name=name, condition="", reason=reason, message="")
    assert finding_link(finding) == page
