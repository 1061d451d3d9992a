"""Each alert of the chart fires from a real fault, in a real Prometheus, and is over after the repair."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from faults.disk import small_disk
from faults.outage import post_until_refused
from journal.stores import sqlite_store, update
from kube.fixtures import ROOT, install_kinds
from kube.rig.control_plane import ControlPlane
from kube.rig.processes import free_ports
from support.deadline import until
from support.journal_file import journal_file
from support.load import Aggregator, Pace, open_aggregator, stream
from support.manifests import Client, write
from support.operating import client as cluster_client
from support.operating import operating, options
from support.prometheus import Prometheus, hastened
from support.server import ServerProcess, running
from support.sink import Arrival, Sink, hang, open_sink
from telemetry.chart import ALERTS, dashboard, expressions, rules
from trackpush_operator.app import Operator
from trackpush_operator.kube.leader_election import LeaseLostError
from trackpush_operator.options import OperatorOptions
from trackpush_server.journal.sqlite.connection import SqliteConnection
from trackpush_server.journal.sqlite.note import NoteFile

pytestmark = [pytest.mark.long, pytest.mark.timeout(240)]
_HELD = 0.8
"""Seconds for which somebody holds the journal's lock: more than the half second that the alert allows."""
_OLD = 2 * 3600 * 1000


@pytest.fixture(scope="module")
def prometheus(helm: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """With the chart's rules."""
    server = Prometheus(tmp_path_factory.mktemp("prometheus"))
    server.start(hastened(rules(helm)))
    try:
        yield server
    finally:
        server.stop()


@contextlib.asynccontextmanager
async def scraped(prometheus: Prometheus, server: ServerProcess, namespace: str) -> AsyncIterator[None]:
    """The server is scraped, as a pod of this namespace."""
    address = server.admin_url.removeprefix("http://")
    prometheus.scrape(address, namespace=namespace, pod="main-0")
    try:
        yield
    finally:
        prometheus.forget(address)


@contextlib.asynccontextmanager
async def watched(
    prometheus: Prometheus, tmp_path: Path, sink: Sink, namespace: str, data: Path | None = None
) -> AsyncIterator[tuple[ServerProcess, Aggregator]]:
    """A server that is scraped, with a client and its aggregator."""
    delivery = {"timeout": "2s", "retry": {"schedule": ["100ms"]}}
    client = Client(name="acme", url=sink.url, delivery=delivery)
    resources = write(tmp_path / "resources", [client])
    async with (
        running(resources, data or tmp_path / "data") as server,
        open_aggregator(server.url, client) as aggregator,
        scraped(prometheus, server, namespace),
    ):
        yield server, aggregator


async def refuse(_: Arrival) -> int:
    return 503


async def accept(_: Arrival) -> int:
    return 200


async def a_client_that_refuses_is_failing_until_it_accepts(prometheus: Prometheus, tmp_path: Path) -> None:
    async with open_sink(refuse) as sink, watched(prometheus, tmp_path, sink, "client-failing") as (_, aggregator):
        await aggregator.many(range(8))
        alert = await prometheus.until_firing("TrackpushClientFailing", namespace="client-failing")
        assert alert["labels"]["push_config"] == "acme/push"
        assert alert["annotations"]["runbook"] == "docs/runbooks/client-failing.md"
        sink.behaviour = accept
        await prometheus.until_over("TrackpushClientFailing", namespace="client-failing")


async def pushes_that_wait_for_a_client_that_hangs_make_its_queue_old(prometheus: Prometheus, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with sqlite_store(data).open() as opened:
        received = int(time.time() * 1000) - _OLD
        await opened.put(*(replace(update(to=["acme/push"]), received_at=received) for _ in range(8)))
    async with open_sink(hang) as sink, watched(prometheus, tmp_path, sink, "queue-old", data):
        alert = await prometheus.until_firing("TrackpushQueueOld", namespace="queue-old")
        assert alert["labels"]["push_config"] == "acme/push"
        assert float(alert["value"]) >= _OLD / 1000
        sink.behaviour = accept
        await prometheus.until_over("TrackpushQueueOld", namespace="queue-old")
        assert len(sink.arrivals) >= 8


async def a_full_disk_refuses_updates_until_there_is_room(prometheus: Prometheus, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size="12m") as disk:
        async with (
            open_sink() as sink,
            watched(prometheus, tmp_path, sink, "ingest-refused", disk.path / "data") as (server, aggregator),
        ):
            await asyncio.to_thread(disk.fill)
            assert (await post_until_refused(aggregator, first=0, most=8000)).status == 503
            await prometheus.until_firing("TrackpushIngestRefused", namespace="ingest-refused", reason="unavailable")
            await asyncio.to_thread(disk.empty)
            await server.until_ready()
            await prometheus.until_over("TrackpushIngestRefused", namespace="ingest-refused")


async def somebody_who_holds_the_journals_lock_makes_commits_slow(prometheus: Prometheus, tmp_path: Path) -> None:
    async with open_sink() as sink, watched(prometheus, tmp_path, sink, "journal-slow") as (_, aggregator):
        await aggregator.post(0)
        with journal_file(tmp_path / "data/journal.db") as shell:
            fault = asyncio.create_task(_hold_now_and_then(shell, aggregator))
            alert = await prometheus.until_firing("TrackpushJournalSlow", namespace="journal-slow")
            assert alert["labels"]["pod"] == "main-0"
            fault.cancel()
            await asyncio.gather(fault, return_exceptions=True)
        await aggregator.many(range(10_000, 10_200))
        await prometheus.until_over("TrackpushJournalSlow", namespace="journal-slow")
        assert all(post.status == 200 for post in aggregator.posts), "slow is not lost"


async def _hold_now_and_then(shell: SqliteConnection, aggregator: Aggregator) -> None:
    """As a shell that somebody left in a transaction does, while an aggregator posts."""
    mark = 1
    while True:
        shell.execute("BEGIN IMMEDIATE")
        try:
            posted = asyncio.create_task(aggregator.post(mark))
            await asyncio.sleep(_HELD)  # the fault itself
        finally:
            shell.execute("ROLLBACK")
        await posted
        mark += 1


async def test_an_operator_without_its_api_server_reconciles_nothing_until_it_is_back(
    prometheus: Prometheus, own_api_server: ControlPlane
) -> None:
    (port,) = free_ports(1)
    given = options(
        own_api_server.kubeconfig, "trackpush", lease_seconds=6.0, health_listen=("127.0.0.1", port), identity="a-pod"
    )
    async with cluster_client(own_api_server.kubeconfig) as cluster:
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "trackpush"}})
    kept = asyncio.create_task(_as_the_kubelet_does(given))
    prometheus.scrape(f"127.0.0.1:{port}", namespace="trackpush", pod="operator-0")
    try:
        await prometheus.until_over("TrackpushOperatorNotReconciling")
        await asyncio.to_thread(own_api_server.stop_api_server)
        alert = await prometheus.until_firing("TrackpushOperatorNotReconciling")
        assert alert["labels"]["reason"] == "no operator is active"
        await asyncio.to_thread(own_api_server.start_api_server)
        await prometheus.until_over("TrackpushOperatorNotReconciling")
    finally:
        prometheus.forget(f"127.0.0.1:{port}")
        kept.cancel()
        await asyncio.gather(kept, return_exceptions=True)


async def test_a_kind_whose_definition_is_deleted_is_not_watched_until_it_is_back(
    prometheus: Prometheus, own_api_server: ControlPlane
) -> None:
    (port,) = free_ports(1)
    given = options(own_api_server.kubeconfig, "kinds", health_listen=("127.0.0.1", port), lease_seconds=60.0)
    async with cluster_client(own_api_server.kubeconfig) as cluster:
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kinds"}})
    prometheus.scrape(f"127.0.0.1:{port}", namespace="kinds", pod="operator-0")
    try:
        async with operating(given):
            delete = ("delete", "crd", "pushconfigs.trackpush.dev", "--timeout=60s")
            await asyncio.to_thread(own_api_server.kubectl, *delete)
            alert = await prometheus.until_firing("TrackpushKindNotWatched", namespace="kinds")
            assert alert["labels"]["kind"] == "PushConfig"
            await asyncio.to_thread(install_kinds, own_api_server)
            await prometheus.until_over("TrackpushKindNotWatched", namespace="kinds")
    finally:
        prometheus.forget(f"127.0.0.1:{port}")


async def _as_the_kubelet_does(given: OperatorOptions) -> None:
    """Starts an operator that ended anew."""
    while True:
        with contextlib.suppress(OSError):
            try:
                await Operator(given).run()
            except* LeaseLostError:
                pass


async def requests_with_a_key_that_nobody_has_are_a_flood(prometheus: Prometheus, tmp_path: Path) -> None:
    async with open_sink() as sink, watched(prometheus, tmp_path, sink, "unknown-key-flood") as (server, _):
        stranger = Client(name="nobody", url=sink.url)
        async with open_aggregator(server.url, stranger) as guessing:
            fault = asyncio.create_task(_guess(guessing))
            alert = await prometheus.until_firing("TrackpushUnknownKeyFlood", namespace="unknown-key-flood")
            assert alert["labels"]["aggregator"] == "clickpost"
            fault.cancel()
            await asyncio.gather(fault, return_exceptions=True)
        assert {post.status for post in guessing.posts} == {401}
        await prometheus.until_over("TrackpushUnknownKeyFlood", namespace="unknown-key-flood")


async def _guess(aggregator: Aggregator) -> None:
    """Some wrong keys a second; a machine that is also at other tests has no more to give."""
    pace = Pace(rate=20.0, shipments=2, workers=2)
    await stream(aggregator, pace, stop=asyncio.Event(), resend=lambda _: False)


async def bodies_that_name_no_shipment_are_told_until_none_comes(prometheus: Prometheus, tmp_path: Path) -> None:
    async with open_sink() as sink, watched(prometheus, tmp_path, sink, "unrecognised") as (server, aggregator):
        client = Client(name="acme", url=sink.url)
        fault = asyncio.create_task(_post_unknown_events(server, client.key))
        alert = await prometheus.until_firing("TrackpushUnrecognisedBodies", namespace="unrecognised")
        assert alert["labels"]["aggregator"] == "clickpost"
        fault.cancel()
        await asyncio.gather(fault, return_exceptions=True)
        assert aggregator.posts == []
        await prometheus.until_over("TrackpushUnrecognisedBodies", namespace="unrecognised")


async def _post_unknown_events(server: ServerProcess, key: str) -> None:
    url = f"{server.url}/rms/in/api/clickpost/notify"
    async with aiohttp.ClientSession(headers={"x-api-key": key}) as session:
        while True:
            async with session.post(url, json={"data": {"waybill": "7020"}}) as answer:
                assert answer.status == 200
            await asyncio.sleep(0.1)  # the pace of the fault


async def a_sender_whose_bodies_are_refused_is_reported_until_one_is_accepted(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    async with open_sink() as sink, watched(prometheus, tmp_path, sink, "sender") as (server, aggregator):
        url = f"{server.url}/rms/in/api/clickpost/notify"
        async with aiohttp.ClientSession(headers={"x-api-key": Client(name="acme", url=sink.url).key}) as session:
            for _ in range(20):
                async with session.post(url, data=b"{") as answer:
                    assert answer.status == 400
        alert = await prometheus.until_firing("TrackpushSenderRefused", namespace="sender")
        assert alert["labels"]["account"] == "acme/clickpost"
        assert (await aggregator.post(0)).status == 200
        await prometheus.until_over("TrackpushSenderRefused", namespace="sender")


async def an_aggregator_that_stopped_makes_its_account_silent_until_its_next_update(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    now = int(time.time() * 1000)
    async with sqlite_store(data).open() as opened:
        await opened.put(replace(update(account="acme/clickpost", to=()), received_at=now - _OLD))
        await opened.journal.last_updates.listen(now=now)  # a server ran all the time: the pause is the aggregator's
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url, expect_every="1h")
        resources = write(tmp_path / "resources", [client])
        async with (
            running(resources, data) as server,
            open_aggregator(server.url, client) as aggregator,
            scraped(prometheus, server, "silent"),
        ):
            alert = await prometheus.until_firing("TrackpushAccountSilent", namespace="silent")
            assert alert["labels"]["account"] == "acme/clickpost"
            assert alert["annotations"]["runbook"] == "docs/runbooks/account-silent.md"
            assert float(alert["value"]) >= _OLD / 1000
            assert (await aggregator.post(0)).status == 200
            await prometheus.until_over("TrackpushAccountSilent", namespace="silent")


async def a_log_that_is_removed_loses_updates_until_the_next_start(prometheus: Prometheus, tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with open_sink() as sink, watched(prometheus, tmp_path, sink, "updates-lost", data) as (server, aggregator):
        await aggregator.many(range(20))
        note = NoteFile(data / "journal.note")
        await until(lambda: getattr(note.read(), "last_id", 0) == 20, seconds=30, what="the note")
        await server.kill()
        (data / "journal.db-wal").unlink()
        await server.start()
        alert = await prometheus.until_firing("TrackpushUpdatesLost", namespace="updates-lost")
        assert alert["labels"]["pod"] == "main-0"
        assert (await aggregator.post(20)).status == 200
        await server.terminate()
        await server.start()
        await prometheus.until_over("TrackpushUpdatesLost", namespace="updates-lost")


async def test_pushes_of_a_client_that_is_deleted_while_they_wait_are_reported_until_it_is_restored(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    namespace, alert = "without-push-config", "TrackpushPushesWithoutPushConfig"
    async with open_sink(refuse) as sink:
        stays, leaves = (
            Client(name=name, url=sink.url, delivery={"retry": {"schedule": ["100ms"]}}) for name in ("acme", "former")
        )
        resources = write(tmp_path / "resources", [stays, leaves])
        async with (
            running(resources, tmp_path / "data") as server,
            open_aggregator(server.url, leaves) as aggregator,
            scraped(prometheus, server, namespace),
        ):
            await aggregator.many(range(3))
            write(resources, [stays])
            found = await prometheus.until_firing(alert, namespace=namespace)
            assert found["labels"]["push_config"] == "former/push"
            assert float(found["value"]) == 3
            write(resources, [stays, leaves])
            await prometheus.until_over(alert, namespace=namespace)
            sink.behaviour = accept
            await until(lambda: sink.marks >= {0, 1, 2}, seconds=60, what=lambda: str(sink.marks))


FAULTS = [
    a_client_that_refuses_is_failing_until_it_accepts,
    pushes_that_wait_for_a_client_that_hangs_make_its_queue_old,
    a_full_disk_refuses_updates_until_there_is_room,
    somebody_who_holds_the_journals_lock_makes_commits_slow,
    requests_with_a_key_that_nobody_has_are_a_flood,
    bodies_that_name_no_shipment_are_told_until_none_comes,
    a_sender_whose_bodies_are_refused_is_reported_until_one_is_accepted,
    an_aggregator_that_stopped_makes_its_account_silent_until_its_next_update,
    a_log_that_is_removed_loses_updates_until_the_next_start,
]


async def test_each_alert_of_a_server_fires_from_its_fault_and_is_over_after_the_repair(
    prometheus: Prometheus, tmp_path: Path
) -> None:
    """Side by side, each on a server of its own: they wait for Prometheus most of the time."""
    async with asyncio.TaskGroup() as group:
        for fault in FAULTS:
            (folder := tmp_path / fault.__name__).mkdir()
            group.create_task(fault(prometheus, folder))


async def test_prometheus_answers_all_that_dashboard_and_pages_ask_for(
    prometheus: Prometheus, helm: Path, tmp_path: Path
) -> None:
    async with open_sink() as sink, watched(prometheus, tmp_path, sink, "dashboard") as (_, aggregator):
        await aggregator.many(range(20))
        requests = 'sum(rate(trackpush_ingest_requests_total{namespace="dashboard"}[8s])) > 0'
        async with asyncio.timeout(60):
            while not (await prometheus.get("query", query=requests))["result"]:
                await aggregator.post(len(aggregator.posts))
        asked = [expression for expression in expressions(dashboard(helm)) if not expression.startswith("label_values")]
        asked += [line for page in ALERTS.values() for line in _promql(page)]
        answers = {
            expression: await prometheus.get("query", query=_without_variables(expression)) for expression in asked
        }
        shown = [expression for expression, answer in answers.items() if answer["result"]]
        assert len(shown) > len(answers) / 2, "of a server alone: more than half has values"


def _promql(page: str) -> list[str]:
    text = (ROOT / f"docs/runbooks/{page}.md").read_text()
    return [line for block in re.findall(r"```promql\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]


def _without_variables(expression: str) -> str:
    text = expression.replace("$__rate_interval", "8s").replace("$namespace", ".*")
    return text.replace("$push_config", ".*")


def test_only_times_are_shortened(helm: Path) -> None:
    def plain(given: dict[str, Any]) -> list[str]:
        return [re.sub(r"\[\w+\]", "", rule["expr"]) for group in given["groups"] for rule in group["rules"]]

    made = rules(helm)
    assert plain(hastened(made)) == plain(made)
    assert {rule["for"] for group in hastened(made)["groups"] for rule in group["rules"]} == {"1s"}
