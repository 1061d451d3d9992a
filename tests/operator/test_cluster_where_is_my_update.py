"""The runbook docs/runbooks/where-is-my-update.md with kubectl: its plugin, and the conditions of a real API server."""

import io
import re
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import structlog

from kube.fixtures import ApiServer, GoProgram
from support import objects
from support.missing_update import REJECTED, WAITING, missing_updates
from support.objects import Body
from support.operating import Client, fake_pod
from trackpush_operator.app import Operator
from trackpush_operator.reconcile import readback
from trackpush_server import logs

pytestmark = [pytest.mark.slow, pytest.mark.process]
Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]


@pytest.fixture
def tools(tmp_path: Path, go_program: GoProgram) -> Path:
    """A folder with kubectl and its plugin, as a person has them."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "kubectl").write_text(f'#!/bin/sh\nexec {go_program("kubebox")} kubectl "$@"\n')
    (folder / "kubectl").chmod(0o755)
    (folder / "kubectl-trackpush").symlink_to(Path(sys.executable).parent / "kubectl-trackpush")
    return folder


@pytest.fixture
async def silent(
    cluster: Client, namespace: str, start: Start, within: Within, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """The operator has reported that the account shipway is silent."""
    monkeypatch.setattr(readback, "ACCOUNTS_EVERY", 0.0)
    await cluster.create(
        within(objects.server()),
        within(objects.secret("keys", **{"in": "k-1-long-enough-now", "out": "s-1"})),
        within(objects.push("push")),
        within(objects.webhook("shipway", aggregator="Shipway", expectEvery="6h", pushConfigRefs=[{"name": "push"}])),
    )
    account = {"name": f"{namespace}/shipway", "state": "silent", "lastUpdate": 1_764_500_000_000}
    async with fake_pod(f"{namespace}/main") as pod, start():
        await cluster.pod(within(objects.pod("fake-a", ip="127.0.0.1", port=pod.port)))
        pod.accounts = [account | {"silentSince": account["lastUpdate"]}]

        async def receiving() -> str | None:
            """The condition, with a pod that serves what the operator has written so far."""
            shards = (await cluster.shards(namespace, "main")).values()
            pod.files = {shard.name: shard.revision for shard in shards}
            return (await cluster.conditions("AggregatorWebhook", namespace, "shipway")).get("Receiving")

        await cluster.until(receiving, "False Silent")
        yield


@pytest.mark.usefixtures("silent")
async def test_each_step_of_the_page_works_with_kubectl(
    namespace: str, api_server: ApiServer, tools: Path, tmp_path: Path
) -> None:
    logs.configure("json", io.StringIO())
    given = {"tools": tools, "KUBECONFIG": str(api_server.kubeconfig)}
    async with missing_updates(tmp_path, namespace) as case:
        found = await case.step(0, **given)
        waits = await case.step(1, shipment=WAITING, **given)
        story, around, tries = [await case.step(number, **given) for number in (1, 2, 3)]
        case.repaired.set()
        replayed = await case.step(4, **given)
        await case.until_state(REJECTED, "delivered", "Delivered")
    structlog.reset_defaults()

    assert found.count(REJECTED) == 3
    assert re.search(r"pending +\d+ +EndpointFailing: .*HTTP 503: maintenance until six", waits)
    assert re.search(r"dead +6 +Refused: .*HTTP 422: unknown courier", story)
    assert re.search(r"shipway +Receiving +Silent", around)
    assert re.search(r"shipway .*False.* \d+d\b", around), "RECEIVING and LAST UPDATE of kubectl get"
    assert tries.count("HTTP 422: unknown courier") >= 6
    assert "1 pushes are pending again" in replayed
