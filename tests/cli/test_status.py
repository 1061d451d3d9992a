"""`trackpush status`: what is wrong now, and nothing else; exit code 0 or 1."""

import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog
from aiohttp import web

from support.bodies import body
from support.command import invoked
from support.deadline import until, until_found
from support.serving import HeldSource, account, serving, table
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import Destination, Retry
from trackpush_api.vocabulary import Aggregator
from trackpush_cli.status.findings import of_resources
from trackpush_server import logs
from trackpush_server.config.source import Loaded
from trackpush_server.server import Server


@pytest.fixture
async def failing(tmp_path: Path) -> AsyncIterator[tuple[Server, Sink]]:
    """A server whose client answers 500, with six pushes that wait."""

    async def refuse(_: Arrival) -> web.Response:
        return web.Response(status=500)

    logs.configure("json", io.StringIO())
    async with open_sink(refuse) as sink:
        destination = Destination(name="acme/push", url=sink.url, retry=Retry(schedule=(0.01, 0.01, 60.0)))
        given = table(account(Aggregator.CLICKPOST, "k"), destinations=[destination])
        async with serving(tmp_path, given) as server:
            url = f"http://{server.address}/rms/in/api/clickpost/notify?key=k"
            async with aiohttp.ClientSession() as session:
                for mark in range(6):
                    await session.post(url, data=body("clickpost", mark=mark, shipment=mark, second=1))
            yield server, sink
    structlog.reset_defaults()


async def test_an_endpoint_that_fails_is_reported(failing: tuple[Server, Sink]) -> None:
    server, _ = failing
    await until_found(lambda: invoked("status", "--admin", server.admin_address), lambda found: found.exit_code == 1)
    shown = (await invoked("status", "--admin", server.admin_address)).stdout
    data = (await invoked("status", "--admin", server.admin_address, "-o", "json")).json

    assert "PushConfig acme/push  Delivering  EndpointFailing" in shown
    assert (data["ok"], data["servers"][0]["name"]) == (False, "trackpush/main")
    assert [finding["reason"] for finding in data["findings"]] == ["EndpointFailing"]


async def test_a_server_in_order_is_one_line_and_exit_code_0(tmp_path: Path) -> None:
    logs.configure("json", io.StringIO())
    async with serving(tmp_path) as server:
        result = await invoked("status", "--admin", server.admin_address)
    structlog.reset_defaults()

    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "nothing is wrong")


async def test_a_broken_folder_is_reported_and_that_the_state_before_it_is_served(tmp_path: Path) -> None:
    logs.configure("json", io.StringIO())
    source = HeldSource(table())
    async with serving(tmp_path, source=source) as server:
        source.loaded = Loaded(table=None, problems=("acme.yaml:8: PushConfig acme/oms spec.url: is missing; set it",))
        result = await until_found(
            lambda: invoked("status", "--admin", server.admin_address), lambda found: found.exit_code == 1
        )
    structlog.reset_defaults()

    assert "BrokenConfig" in result.stdout
    assert "spec.url: is missing; set it" in result.stdout


async def test_warnings_of_a_hot_reload_are_reported_by_log_status_and_the_console_and_are_no_failure(
    tmp_path: Path,
) -> None:
    log = io.StringIO()
    logs.configure("json", log)
    source = HeldSource(table())
    async with serving(tmp_path, source=source) as server:
        source.loaded = Loaded(
            table=table(), warnings=("zen.yaml:5: warning: the AggregatorWebhook has no PushConfig",)
        )
        await until(lambda: "configuration_warnings" in log.getvalue(), seconds=30, what="the warnings")
        result = await invoked("status", "--admin", server.admin_address)
        async with aiohttp.ClientSession() as session:
            home = await (await session.get(f"http://{server.admin_address}/console/search")).text()
            page = await (await session.get(f"http://{server.admin_address}/console/config")).text()
    structlog.reset_defaults()

    assert result.exit_code == 0
    assert "ConfigWarning" in result.stdout
    assert "zen.yaml:5: warning: the AggregatorWebhook has no PushConfig" in result.stdout
    assert "The configuration has 1 warning." in home
    assert "zen.yaml:5: warning: the AggregatorWebhook has no PushConfig" in page


async def test_pushes_that_wait_for_a_push_config_that_is_gone_are_reported(tmp_path: Path) -> None:
    logs.configure("json", io.StringIO())
    source = HeldSource(table(account(Aggregator.CLICKPOST, "k")))
    async with serving(tmp_path, source=source) as server:
        url = f"http://{server.address}/rms/in/api/clickpost/notify?key=k"
        async with aiohttp.ClientSession() as session:
            await session.post(url, data=body("clickpost", mark=1, shipment=1, second=1))
        result = await until_found(
            lambda: invoked("status", "--admin", server.admin_address), lambda found: found.exit_code == 1
        )
    structlog.reset_defaults()

    assert "PushConfig acme/push  Accepted   Missing" in result.stdout
    assert "no PushConfig of this name is configured, and 1 pushes wait for it" in result.stdout


async def test_no_server_is_exit_code_2_and_says_what_to_do() -> None:
    result = await invoked("status", "--admin", "127.0.0.1:1")

    assert result.exit_code == 2
    assert "no answer (ConnectionRefusedError" in result.stderr


def resource(*conditions: dict[str, Any], kind: str = "PushConfig", generation: int = 1) -> dict[str, Any]:
    status = [{"observedGeneration": 1, "message": "", **condition} for condition in conditions]
    metadata = {"namespace": "acme", "name": "oms", "generation": generation}
    return {"kind": kind, "metadata": metadata, "status": {"conditions": status}}


READY = {"type": "Ready", "status": "True", "reason": "Ready"}
UNREADY = {"type": "Ready", "status": "False", "reason": "SecretNotFound"}
CAUSE = {"type": "ResolvedRefs", "status": "False", "reason": "SecretNotFound"}
CONSEQUENCE = {"type": "Programmed", "status": "False", "reason": "NotServed"}
SUSPENDED = {"type": "Delivering", "status": "False", "reason": "Suspended"}


@pytest.mark.parametrize(
    ("body_of_it", "wanted"),
    [
        (resource(READY), []),
        (resource(UNREADY, CAUSE, CONSEQUENCE), [("error", "ResolvedRefs", "SecretNotFound")]),
        (resource(UNREADY | {"reason": "NotServed"}, CONSEQUENCE), [("error", "Programmed", "NotServed")]),
        (resource(UNREADY), [("error", "Ready", "SecretNotFound")]),
        (resource(READY, SUSPENDED), [("warning", "Delivering", "Suspended")]),
        (resource(), [("error", "Ready", "NotSeen")]),
        (resource(READY, generation=2), [("warning", "Ready", "Outdated")]),
    ],
)
def test_causes_are_reported_not_what_follows_from_them(
    body_of_it: dict[str, Any], wanted: list[tuple[str, str, str]]
) -> None:
    assert [(finding.severity, finding.condition, finding.reason) for finding in of_resources([body_of_it])] == wanted
