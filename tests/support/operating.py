"""The operator in the tests' own process, on a real API server; and a client that acts as users and kubelets do."""

import asyncio
import base64
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from kubernetes.aio.client import Configuration

from support import objects
from support.objects import Body
from trackpush_api import shards
from trackpush_api.shards import Shard
from trackpush_operator.app import Operator
from trackpush_operator.kube.api import Api, ObjectSelection
from trackpush_operator.kube.client import KubernetesCluster
from trackpush_operator.kube.connection import configuration
from trackpush_operator.kube.errors import ForbiddenError, NotFoundError
from trackpush_operator.kube.kinds import CHILDREN, EVENTS, NAMESPACES, OWN, PODS, SECRETS
from trackpush_operator.metrics import Metrics
from trackpush_operator.options import OperatorOptions

PATIENCE = 20.0
_PAUSE = 0.03
_APIS = {api.kind: api for api in (*OWN, SECRETS, NAMESPACES, PODS, *CHILDREN)}


class Client:
    """Acts on the cluster. Bodies as in `support.objects`."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        self.cluster = cluster

    async def create(self, *bodies: Body) -> None:
        """Make objects."""
        for body in bodies:
            await self.cluster.create(_APIS[body["kind"]], body)

    @contextlib.asynccontextmanager
    async def another_namespace(self, name: str) -> AsyncIterator[str]:
        """Make a namespace beside the test's; it is deleted afterwards, without waiting for it."""
        await self.create(objects.namespace(name))
        try:
            yield name
        finally:
            body = await self.get("Namespace", None, name)
            assert body is not None
            await self.cluster.delete(NAMESPACES, "", name, uid=body["metadata"]["uid"])

    async def pod(self, body: Body) -> None:
        """Make a pod, with its status, as a kubelet would."""
        spec = {name: part for name, part in body.items() if name != "status"}

        async def is_made() -> bool:  # pods are refused until the namespace has its service account
            with contextlib.suppress(ForbiddenError):
                await self.cluster.create(PODS, spec)
                return True
            return False

        await self.until(is_made, wanted=True)
        metadata = body["metadata"]
        await self.pod_status(metadata["namespace"], metadata["name"], body["status"])

    async def pod_status(self, namespace: str, name: str, status: Body) -> None:
        """Set parts of a pod's status."""
        await self.cluster.patch(PODS, namespace, name, {"status": status}, subresource="status")

    async def patch(self, kind: str, namespace: str, name: str, **body: Any) -> None:
        """Merge patch."""
        await self.cluster.patch(_APIS[kind], namespace, name, body)

    async def secret(self, namespace: str, name: str, **values: str) -> None:
        """Set values of a Secret."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        await self.patch("Secret", namespace, name, data=data)

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object, with what it owns left alone: there is no garbage collector here."""
        found = await self.get(kind, namespace, name)
        assert found is not None
        await self.cluster.delete(_APIS[kind], namespace, name, uid=found["metadata"]["uid"])

    async def get(self, kind: str, namespace: str | None, name: str) -> Body | None:
        """An object, or None."""
        try:
            return await self.cluster.get(_APIS[kind], namespace, name)
        except NotFoundError:
            return None

    async def objects(self, api: Api, namespace: str, labels: str = "") -> list[Body]:
        """All objects of a kind."""
        pages = self.cluster.pages(api, namespace, ObjectSelection(labels=labels))
        return [body async for page in pages for body in page.items]

    async def events(self, namespace: str) -> list[tuple[str, str]]:
        """Type and reason of all Events."""
        return [(event["type"], event["reason"]) for event in await self.objects(EVENTS, namespace)]

    async def shards(self, namespace: str, server: str) -> dict[str, Shard]:
        """What the pods would mount."""
        labels = f"app.kubernetes.io/instance={server},app.kubernetes.io/component=routing"
        bodies = await self.objects(SECRETS, namespace, labels)
        found = [shards.decode(base64.b64decode(body["data"][shards.FILE])) for body in bodies]
        return {shard.name: shard for shard in found}

    async def conditions(self, kind: str, namespace: str, name: str) -> dict[str, str]:
        """Each condition as ``True Reason``, if it is of the newest generation."""
        body = await self.get(kind, namespace, name) or {}
        generation = (body.get("metadata") or {}).get("generation")
        conditions = (body.get("status") or {}).get("conditions") or []
        current = [condition for condition in conditions if condition["observedGeneration"] == generation]
        return {condition["type"]: f"{condition['status']} {condition['reason']}" for condition in current}

    async def message(self, kind: str, namespace: str, name: str, condition: str) -> str:
        """A condition's message."""
        body = await self.get(kind, namespace, name) or {}
        conditions = (body.get("status") or {}).get("conditions") or []
        return next((entry["message"] for entry in conditions if entry["type"] == condition), "")

    async def until(self, check: Callable[[], Awaitable[Any]], wanted: Any, *, seconds: float = PATIENCE) -> None:
        """Wait until the check gives what is wanted (a dict may give more)."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while True:
            found = await check()
            if found == wanted or (isinstance(wanted, dict) and wanted.items() <= found.items()):
                return
            if loop.time() > end:
                raise AssertionError(f"not within {seconds:g} s: wanted {wanted}, found {found}")
            await asyncio.sleep(_PAUSE)

    async def until_condition(self, kind: str, namespace: str, name: str, **wanted: str) -> None:
        """Wait for conditions, each as ``True Reason``."""
        await self.until(lambda: self.conditions(kind, namespace, name), wanted)

    async def next_second(self, namespace: str) -> None:
        """Wait until what is created now is younger: the API server's timestamps have whole seconds."""

        async def stamp() -> str:
            probe = {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": "clock", "namespace": namespace},
            }
            await self.create(probe)
            body = await self.get("ServiceAccount", namespace, "clock")
            await self.delete("ServiceAccount", namespace, "clock")
            return "" if body is None else str(body["metadata"]["creationTimestamp"])

        first = await stamp()

        async def is_later() -> bool:
            return await stamp() > first

        await self.until(is_later, wanted=True)

    async def until_exists(self, kind: str, namespace: str, name: str, *, exists: bool = True) -> None:
        """Wait for an object, or for its end."""

        async def check() -> bool:
            return await self.get(kind, namespace, name) is not None

        await self.until(check, exists)


@contextlib.asynccontextmanager
async def client(kubeconfig: Path) -> AsyncIterator[Client]:
    """A client."""
    async with KubernetesCluster(await configuration(kubeconfig), Metrics()) as cluster:
        yield Client(cluster)


def options(kubeconfig: Path, namespace: str, **given: Any) -> OperatorOptions:
    """For an operator of this namespace, with a Lease that a busy machine renews in time."""
    defaults: dict[str, Any] = {
        "image": "trackpush:test",
        "namespaces": (namespace,),
        "operator_namespace": namespace,
        "lease_namespace": namespace,
        "lease_seconds": 30.0,
        "health_listen": ("127.0.0.1", 0),
        "kubeconfig": kubeconfig,
    }
    return OperatorOptions(**{**defaults, **given})


Connect = Callable[[Configuration, Metrics], KubernetesCluster]


@contextlib.asynccontextmanager
async def operating(given: OperatorOptions, connect: Connect = KubernetesCluster) -> AsyncIterator[Operator]:
    """An operator, until the end of the block."""
    operator = Operator(given, connect)
    task = asyncio.create_task(operator.run())
    try:
        yield operator
    finally:
        operator.stop()
        await task


class OperatorProcess:
    """`trackpush operator` as its own process, which can be killed."""

    def __init__(self, kubeconfig: Path, namespace: str, *, log: Path) -> None:
        self._command = [
            sys.executable, "-m", "trackpush_cli", "operator", "--image=trackpush:test", f"--namespace={namespace}",
            f"--operator-namespace={namespace}", f"--kubeconfig={kubeconfig}", "--health-listen=127.0.0.1:0",
            "--identity=a-pod", "--log-format=json",
        ]  # fmt: skip
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The running process's id."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it (again)."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(*self._command, stdout=log, stderr=log)

    async def end(self, number: signal.Signals) -> int:
        """Send a signal and wait for its end; the exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return await self._process.wait()


class FakePod:
    """What a server's pod answers on its admin port, on a loopback address."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.files: dict[str, str] = {}
        self.failing: list[dict[str, Any]] = []
        self.refused: dict[str, int] = {}
        """Refusals in a row of accounts."""
        self.accounts: list[dict[str, Any]] | None = None
        """What /last-updates answers; None: 404, as a pod of an older version."""
        self.tokens: set[str] = set()
        self.changes: list[dict[str, Any]] = []
        """Waiting changes of the portal, as ``GET /api/v1/portal/changes`` answers them."""
        self.outcomes: dict[str, list[dict[str, Any]]] = {}
        """The outcomes of each change that the operator reported, by its id."""
        self.loses_outcomes = False
        """Whether it keeps changes whose outcome was reported, as if the report was lost."""
        self.port = 0

    async def config(self, request: web.Request) -> web.Response:
        """GET /config."""
        self.tokens.add(request.headers.get("Authorization", ""))
        return web.json_response({"server": self.server, "files": self.files, "problems": []})

    async def undelivered(self, _: web.Request) -> web.Response:
        """GET /undelivered."""
        refused = [{"name": name, "inARow": count} for name, count in self.refused.items()]
        return web.json_response({"pushConfigs": self.failing, "refusedAccounts": refused})

    async def last_updates(self, _: web.Request) -> web.Response:
        """GET /last-updates."""
        return web.Response(status=404) if self.accounts is None else web.json_response({"accounts": self.accounts})

    async def portal_changes(self, _: web.Request) -> web.Response:
        """GET /api/v1/portal/changes."""
        return web.json_response({"changes": self.changes})

    async def end_change(self, request: web.Request) -> web.Response:
        """POST /api/v1/portal/changes/{id}/outcome."""
        change = request.match_info["id"]
        self.outcomes.setdefault(change, []).append(await request.json())
        if self.loses_outcomes:
            return web.Response(status=503)
        self.changes = [waiting for waiting in self.changes if waiting["id"] != change]
        return web.json_response({})


@contextlib.asynccontextmanager
async def fake_pod(server: str, address: str = "127.0.0.1") -> AsyncIterator[FakePod]:
    """A pod that answers."""
    pod = FakePod(server)
    app = web.Application()
    app.router.add_get("/config", pod.config)
    app.router.add_get("/undelivered", pod.undelivered)
    app.router.add_get("/last-updates", pod.last_updates)
    app.router.add_get("/api/v1/portal/changes", pod.portal_changes)
    app.router.add_post("/api/v1/portal/changes/{id}/outcome", pod.end_change)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, address, 0)
        await site.start()
        pod.port = runner.addresses[0][1]
        yield pod
    finally:
        await runner.cleanup()
