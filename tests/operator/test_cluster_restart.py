"""On a real API server: an operator that starts, is killed, loses the API server or its Lease takes nothing away."""

import asyncio
import base64
import json
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kube.rig import build
from support import objects
from support.objects import Body
from support.operating import Client, OperatorProcess, client, operating, options
from trackpush_api import shards
from trackpush_api.shards import Shard, shard_name
from trackpush_operator.app import Operator
from trackpush_operator.kube.api import Api, ListPage, ObjectSelection
from trackpush_operator.kube.client import KubernetesCluster
from trackpush_operator.kube.errors import UnavailableError
from trackpush_operator.kube.kinds import LEASES, WEBHOOKS
from trackpush_operator.store.objects import Kind

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]
TENANTS = 12


def tenants(namespace: str) -> list[Body]:
    """A server and clients, each with a key of its own."""
    made = [objects.server(namespace=namespace)]
    for number in range(TENANTS):
        values = {"in": f"key-of-tenant-{number:04d}", "out": f"s-{number}"}
        made += [
            objects.secret(f"keys-{number}", namespace, **values),
            objects.push(f"oms-{number}", namespace, held_in=f"keys-{number}"),
            objects.webhook(
                f"clickpost-{number}", namespace, held_in=f"keys-{number}", pushConfigRefs=[{"name": f"oms-{number}"}]
            ),
        ]
    return made


async def accounts(cluster: Client, namespace: str) -> set[str]:
    """Names of the accounts that stand in the Secrets."""
    shards = await cluster.shards(namespace, "main")
    return {account.name.partition("/")[2] for shard in shards.values() for account in shard.accounts}


ALL = {f"clickpost-{number}" for number in range(TENANTS)}


@pytest.fixture
async def programmed(cluster: Client, namespace: str, start: Start) -> None:
    """All is written and reported by an operator that has ended since."""
    await cluster.create(*tenants(namespace))
    async with start() as operator:
        await cluster.until(lambda: accounts(cluster, namespace), ALL)
        for number in range(TENANTS):
            await cluster.until_condition(
                "AggregatorWebhook", namespace, f"clickpost-{number}", Programmed="False NoReadyPods"
            )
        await cluster.until_condition("WebhookServer", namespace, "main", Programmed="False NoReadyPods")
        await cluster.until(lambda: _counted_pods(cluster, namespace), 1)  # the controller manager makes it meanwhile
        await cluster.until(lambda: _is_done(operator), wanted=True)


async def _counted_pods(cluster: Client, namespace: str) -> int:
    body = await cluster.get("WebhookServer", namespace, "main")
    return 0 if body is None else int(body["status"].get("replicas") or 0)


class Recording(KubernetesCluster):
    """Notes what is written; lists of AggregatorWebhooks fail while ``broken``."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.applied: list[str] = []
        self.patched: list[str] = []
        self.broken = False
        self.refused = 0

    async def pages(self, api: Api, namespace: str | None, selection: ObjectSelection) -> AsyncIterator[ListPage]:
        """Break off in the middle."""
        async for page in super().pages(api, namespace, selection):
            if api == WEBHOOKS and self.broken:
                yield page._replace(items=page.items[:3])
                self.refused += 1
                raise UnavailableError("the test says so")
            yield page

    async def apply(self, api: Api, body: Body, **given: Any) -> Body:
        """Record the request, and send it."""
        self.applied.append(f"{api.kind} {body['metadata']['name']}")
        return await super().apply(api, body, **given)

    async def patch(self, api: Api, namespace: str | None, name: str, body: Body, **given: Any) -> Body:
        """Record the request, and send it."""
        self.patched.append(f"{api.kind} {name}: {json.dumps(body)}")
        return await super().patch(api, namespace, name, body, **given)


class Connect:
    """Makes a `Recording` and keeps it."""

    def __init__(self, *, broken: bool = False) -> None:
        self._broken = broken
        self.made: list[Recording] = []

    def __call__(self, *arguments: Any) -> Recording:
        """For an operator."""
        made = Recording(*arguments)
        made.broken = self._broken
        self.made.append(made)
        return made


@pytest.mark.usefixtures("programmed")
async def test_a_restart_writes_no_shard_and_no_status(cluster: Client, start: Start) -> None:
    connect = Connect()
    async with start(connect) as operator:
        await cluster.until(lambda: _is_done(operator), wanted=True)
        (made,) = connect.made
        assert [name for name in made.applied if name.startswith("Secret")] == []
        assert made.patched == []


async def _is_done(operator: Operator) -> bool:
    queues = operator.state.queues
    depths = (queues.decide, queues.servers, queues.shards, queues.reports)
    is_idle = all(depth.is_idle for depth in depths)
    return is_idle and operator.state.lists_synced and bool(operator.state.applied)


@pytest.mark.usefixtures("programmed")
async def test_nothing_is_written_before_all_lists_are_in_however_often_they_break_off(
    cluster: Client, namespace: str, start: Start
) -> None:
    connect = Connect(broken=True)
    async with start(connect) as operator:

        async def refused() -> bool:
            return bool(connect.made) and connect.made[0].refused >= 2

        await cluster.until(refused, wanted=True)
        await cluster.secret(namespace, "keys-1", out="changed-meanwhile")
        (made,) = connect.made
        assert not operator.state.lists_synced
        assert (made.applied, made.patched) == ([], [])
        assert await accounts(cluster, namespace) == ALL
        made.broken = False
        await cluster.until(lambda: _is_done(operator), wanted=True)
        await cluster.until(lambda: _header(cluster, namespace, 1), "changed-meanwhile")
        secrets = {name for name in made.applied if name.startswith("Secret")}
        assert secrets == {f"Secret main-routing-{shard_name(f'{namespace}/oms-1')}"}
        assert await accounts(cluster, namespace) == ALL


async def _header(cluster: Client, namespace: str, number: int) -> str:
    shard = (await cluster.shards(namespace, "main"))[shard_name(f"{namespace}/oms-{number}")]
    (found,) = [destination for destination in shard.destinations if destination.name == f"{namespace}/oms-{number}"]
    return found.headers[0][1]


@pytest.mark.usefixtures("programmed")
async def test_what_was_deleted_while_no_operator_ran_is_removed_at_its_start(
    cluster: Client, namespace: str, start: Start
) -> None:
    await cluster.delete("AggregatorWebhook", namespace, "clickpost-3")
    async with start():
        await cluster.until(lambda: accounts(cluster, namespace), ALL - {"clickpost-3"})


@pytest.mark.timeout(300)  # it starts four processes, and may wait a minute for each
@pytest.mark.usefixtures("programmed")
async def test_an_operator_that_is_killed_in_the_middle_and_started_again_takes_no_account_away(
    cluster: Client, namespace: str, api_server: Any, tmp_path: Path
) -> None:
    before = {name: _names(shard) for name, shard in (await cluster.shards(namespace, "main")).items()}
    process = OperatorProcess(api_server.kubeconfig, namespace, log=tmp_path / "log")
    watching = await asyncio.create_subprocess_exec(
        *(str(build.program("kubebox")), "kubectl", f"--kubeconfig={api_server.kubeconfig}", "-n", namespace),
        *("get", "secrets", "-l", "app.kubernetes.io/component=routing", "--watch", "-o", "json"),
        stdout=asyncio.subprocess.PIPE,
    )
    reading = asyncio.create_task(watching.communicate())
    try:
        for turn in range(3):
            await process.start()
            await cluster.secret(namespace, f"keys-{turn}", out=f"turn-{turn}")
            await cluster.until(lambda turn=turn: _header(cluster, namespace, turn), f"turn-{turn}", seconds=60)
            for number in range(TENANTS):
                await cluster.secret(namespace, f"keys-{number}", out=f"turn-{turn}")
            assert await process.end(signal.SIGKILL) == -signal.SIGKILL
        await process.start()
        for number in range(TENANTS):
            await cluster.until(lambda number=number: _header(cluster, namespace, number), "turn-2", seconds=60)
        assert await process.end(signal.SIGTERM) == 0
    finally:
        watching.terminate()
        output, _ = await reading
    versions = [
        shards.decode(base64.b64decode(document["data"][shards.FILE])) for document in _documents(output.decode())
    ]
    assert len(versions) > len(before), "no change was seen"
    assert [shard.name for shard in versions if _names(shard) != before[shard.name]] == []
    assert await accounts(cluster, namespace) == ALL


def _names(shard: Shard) -> set[str]:
    return {account.name for account in shard.accounts}


def _documents(text: str) -> Iterator[Any]:
    """JSON values, one after the other; the last may be cut off."""
    decoder = json.JSONDecoder()
    rest = text.lstrip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except json.JSONDecodeError:
            return
        yield value
        rest = rest[end:].lstrip()


async def test_an_api_server_that_goes_and_comes_back_is_followed_again(own_api_server: Any) -> None:
    namespace = "trackpush"
    async with client(own_api_server.kubeconfig) as cluster:
        await cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        await cluster.create(*tenants(namespace))
        given = options(own_api_server.kubeconfig, namespace, lease_seconds=120.0)
        async with operating(given):
            await cluster.until(lambda: accounts(cluster, namespace), ALL)
            own_api_server.stop_api_server()
            await asyncio.to_thread(own_api_server.start_api_server)
            await cluster.secret(namespace, "keys-5", out="after")
            await cluster.until(lambda: _header(cluster, namespace, 5), "after", seconds=60)
            await cluster.delete("AggregatorWebhook", namespace, "clickpost-5")
            await cluster.until(lambda: accounts(cluster, namespace), ALL - {"clickpost-5"}, seconds=60)


async def test_what_was_deleted_while_the_watches_were_blind_is_found_by_comparing_lists(
    cluster: Client, namespace: str, start: Start
) -> None:
    await cluster.create(*tenants(namespace))
    async with start() as operator:
        await cluster.until(lambda: accounts(cluster, namespace), ALL)
        item = next(item for item in operator.state.cache.items.values() if item.key.name == "clickpost-2")
        ghost = objects.webhook("ghost", namespace, held_in="keys-2")
        ghost["metadata"] |= {"uid": "gone", "resourceVersion": str(item.version), "generation": 1}
        operator.state.cache.take_item(item.key.kind, ghost)
        watches = operator._watches
        assert watches is not None
        watches.restart()

        async def is_forgotten() -> bool:
            return not any(key.name == "ghost" for key in operator.state.cache.items)

        await cluster.until(is_forgotten, wanted=True)


async def test_the_last_of_its_kind_that_was_deleted_while_the_watches_were_blind_is_found_after_a_restart(
    cluster: Client, namespace: str, start: Start
) -> None:
    """A watch of an empty list shows nothing that could be compared."""
    await cluster.create(objects.server(namespace=namespace))
    async with start() as operator:
        await cluster.until_exists("StatefulSet", namespace, "main")
        ghost = objects.webhook("ghost", namespace)
        ghost["metadata"] |= {"uid": "gone", "resourceVersion": "1", "generation": 1}
        operator.state.cache.take_item(Kind.WEBHOOK, ghost)
        watches = operator._watches
        assert watches is not None
        watches.restart()

        async def known() -> set[str]:
            return {key.name for key in operator.state.cache.items}

        await cluster.until(known, wanted={"main"})


async def test_of_two_operators_one_works_and_the_other_takes_over(
    cluster: Client, namespace: str, start: Start
) -> None:
    await cluster.create(*tenants(namespace))
    async with start(identity="one", lease_seconds=15.0) as one:
        await cluster.until(lambda: accounts(cluster, namespace), ALL)
        async with start(identity="two", lease_seconds=15.0) as two:
            await cluster.secret(namespace, "keys-1", out="by-one")
            await cluster.until(lambda: _header(cluster, namespace, 1), "by-one")
            assert (one.state.lists_synced, two.state.lists_synced) == (True, False)
            one.stop()
            await cluster.secret(namespace, "keys-1", out="by-two")
            await cluster.until(lambda: _header(cluster, namespace, 1), "by-two")
            assert two.state.lists_synced


async def readiness(operator: Operator) -> int:
    """The answer to the kubelet's probe; 0 before there is one."""
    if operator.health_address is None:
        return 0
    host, port = operator.health_address
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}/readyz") as answer:
        return answer.status


async def held_by(cluster: Client, namespace: str, holder: str) -> None:
    """A Lease whose holder crashed just now."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": holder, "renewTime": now, "acquireTime": now, "leaseDurationSeconds": 6}
    metadata = {"namespace": namespace, "name": "trackpush-operator"}
    body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
    await cluster.cluster.create(LEASES, body)


async def test_the_successor_of_a_crashed_operator_is_unready_until_it_works(
    cluster: Client, namespace: str, start: Start
) -> None:
    await held_by(cluster, namespace, "crashed")
    async with start(identity="successor") as operator:
        seen: set[tuple[int, bool]] = set()

        async def is_ready() -> bool:
            found = (await readiness(operator), operator.state.lists_synced)
            seen.add(found)
            return found == (200, True)

        await cluster.until(is_ready, wanted=True, seconds=60)
        assert (503, False) in seen
        assert (200, False) not in seen


async def test_an_operator_whose_earlier_self_holds_the_lease_has_it_at_once(
    cluster: Client, namespace: str, start: Start
) -> None:
    await held_by(cluster, namespace, "a-pod")
    await cluster.cluster.patch(LEASES, namespace, "trackpush-operator", {"spec": {"leaseDurationSeconds": 3600}})
    async with start(identity="a-pod", lease_seconds=60.0) as operator:

        async def is_ready() -> bool:
            return await readiness(operator) == 200

        await cluster.until(is_ready, wanted=True, seconds=60)


async def test_a_standby_is_ready_while_it_sees_another_operator_work(cluster: Client, start: Start) -> None:
    async with start(identity="one", lease_seconds=15.0) as one, start(identity="two", lease_seconds=15.0) as two:

        async def both() -> tuple[int, int, bool, bool]:
            first, second = sorted((one.state.lists_synced, two.state.lists_synced))
            return await readiness(one), await readiness(two), first, second

        await cluster.until(both, (200, 200, False, True), seconds=60)


async def test_an_operator_whose_lease_was_taken_ends(cluster: Client, namespace: str, api_server: Any) -> None:
    operator = Operator(options(api_server.kubeconfig, namespace, lease_seconds=10.0))
    task = asyncio.create_task(operator.run())
    name = "trackpush-operator"

    async def is_held() -> bool:
        return any(lease["metadata"]["name"] == name for lease in await cluster.objects(LEASES, namespace))

    await cluster.until(is_held, wanted=True)
    thief = {"holderIdentity": "thief", "renewTime": "2099-01-01T00:00:00.000000Z", "leaseDurationSeconds": 3600}
    await cluster.cluster.patch(LEASES, namespace, name, {"spec": thief})
    with pytest.RaisesGroup(pytest.RaisesExc(Exception, match="another operator has the Lease")):
        await asyncio.wait_for(task, 60)


async def test_the_lease_is_given_back_at_the_end(cluster: Client, namespace: str, start: Start) -> None:
    async def holder() -> str:
        leases = await cluster.objects(LEASES, namespace)
        return str(leases[0]["spec"]["holderIdentity"]) if leases else "nobody"

    async with start(identity="one"):
        await cluster.until(holder, "one")
    assert await holder() == ""
