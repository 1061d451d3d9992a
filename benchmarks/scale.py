"""The operator with many clients on a real API server, as ratios to a bare loop (docs/benchmarks.md).

`make bench-operator` has 5,000 AggregatorWebhooks, PushConfigs and Secrets each; ARGS="--clients 500" fewer.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

import paths
from kube.fixtures import install_kinds
from kube.rig.control_plane import ControlPlane
from kube.rig.processes import free_ports
from procstat import usage
from scale_api import GROUP, BareApi, Body
from scale_bare import KINDS

IN_FLIGHT = 8
PER_NAMESPACE = 100
CHANGES = 50
LIMITS = {"cold start": 2.0, "change to shard": 10.0, "memory": 2.0}


def tenant(number: int) -> list[tuple[str, Body]]:
    """One client's Secret, PushConfig and AggregatorWebhook, with their paths."""
    namespace = f"tenants-{number // PER_NAMESPACE}"
    name = f"client-{number}"
    reference = {"secretKeyRef": {"name": name, "key": "inbound"}}
    values = {"inbound": f"key-of-client-{number:06d}", "outbound": f"header-of-client-{number}"}
    header = {"name": "X-Key", "valueFrom": {"secretKeyRef": {"name": name, "key": "outbound"}}}
    specs: list[tuple[str, str, Body]] = [
        ("PushConfig", "pushconfigs", {"url": f"https://client-{number}.example/hooks", "headers": [header]}),
        ("AggregatorWebhook", "aggregatorwebhooks",
         {"aggregator": "Clickpost", "keys": [reference], "pushConfigRefs": [{"name": name}],
          "serverRef": {"name": "main", "namespace": "trackpush"}}),
    ]  # fmt: skip
    metadata = {"name": name, "namespace": namespace}
    made: list[tuple[str, Body]] = [
        (f"/api/v1/namespaces/{namespace}/secrets",
         {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values})
    ]  # fmt: skip
    for kind, plural, spec in specs:
        body = {"apiVersion": "trackpush.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}
        made.append((f"{GROUP}/namespaces/{namespace}/{plural}", body))
    return made


async def fill(api: BareApi, clients: int) -> None:
    """Make everything."""
    names = ["trackpush", *(f"tenants-{number}" for number in range(-(-clients // PER_NAMESPACE)))]
    for name in names:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await api.request("POST", "/api/v1/namespaces", body)
    server = {
        "apiVersion": "trackpush.dev/v1alpha1",
        "kind": "WebhookServer",
        "metadata": {"name": "main"},
        "spec": {"allowedNamespaces": {"from": "All"}, "hosts": [{"host": "saas.increff.com"}]},
    }
    await api.request("POST", f"{GROUP}/namespaces/trackpush/webhookservers", server)
    gate = asyncio.Semaphore(32)

    async def make(number: int) -> None:
        async with gate:
            for path, body in tenant(number):
                await api.request("POST", path, body)

    async with asyncio.TaskGroup() as group:
        for number in range(clients):
            group.create_task(make(number))


async def clear(api: BareApi) -> None:
    """Statuses as they were before the bare loop."""
    gate = asyncio.Semaphore(32)

    async def reset(kind: str, item: Body) -> None:
        async with gate:
            meta = item["metadata"]
            path = f"{GROUP}/namespaces/{meta['namespace']}/{kind}/{meta['name']}/status"
            await api.merge(path, {"status": None})

    async with asyncio.TaskGroup() as group:
        for kind in KINDS:
            async for item in api.items(f"{GROUP}/{kind}"):
                group.create_task(reset(kind, item))


class OperatorProcess:
    """`trackpush operator` as its own process."""

    def __init__(self, kubeconfig: Path, log: Path) -> None:
        (port,) = free_ports(1)
        self._metrics = f"http://127.0.0.1:{port}/metrics"
        self.log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "trackpush_cli", "operator", "--image=trackpush:bench", "--log-format=json",
                 f"--kubeconfig={kubeconfig}", f"--health-listen=127.0.0.1:{port}"],
                stdout=out, stderr=out,
            )  # fmt: skip
        self.pid = self._process.pid

    async def _samples(self) -> list[tuple[str, dict[str, str], float]]:
        """Name, labels and value of every line of its metrics; none before it listens."""
        try:
            async with aiohttp.request("GET", self._metrics) as answer:
                families = text_string_to_metric_families(await answer.text())
        except aiohttp.ClientConnectionError:
            return []
        return [(sample.name, sample.labels, sample.value) for family in families for sample in family.samples]

    async def requests(self) -> Counter[tuple[str, str]]:
        """Requests to the API server until now, by method and kind."""
        found: Counter[tuple[str, str]] = Counter()
        for name, labels, value in await self._samples():
            if name == "trackpush_operator_api_requests_total":
                found[labels["method"], labels["kind"]] += int(value)
        return found

    async def handled(self) -> int:
        """Statuses looked at and, if need be, written; 0 while anything waits (but to ask pods: it always does)."""
        done = waiting = 0.0
        for name, labels, value in await self._samples():
            if name == "trackpush_operator_handled_total" and labels["queue"] == "reports":
                done += value
            if name == "trackpush_operator_queue_depth" and labels["queue"] != "readback":
                waiting += value
        return 0 if waiting else int(done)

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(timeout=30)


async def cold_start(operator: OperatorProcess, statuses: int) -> float:
    """Seconds until every status is written and nothing waits.

    By its own metrics, so that nobody else asks the API server meanwhile; `decided` sees whether it is true.
    """
    begun = time.perf_counter()
    while time.perf_counter() - begun < 1200:
        if await operator.handled() >= statuses:
            return time.perf_counter() - begun
        await asyncio.sleep(0.1)
    raise RuntimeError(operator.log.read_text()[-3000:])


async def decided(api: BareApi) -> None:
    """See that every status is the operator's; raises when one isn't."""
    for kind in KINDS:
        async for item in api.items(f"{GROUP}/{kind}"):
            conditions = item.get("status", {}).get("conditions", [])
            if not any(condition["type"] == "Accepted" and condition["status"] == "True" for condition in conditions):
                raise RuntimeError(f"{kind} {item['metadata']['name']} was not decided: {conditions}")


async def changes(api: BareApi, clients: int) -> tuple[list[float], list[float], list[int]]:
    """Seconds of a bare patch, seconds from a patch to its written shard, and how many shards were written for each."""
    selector = "labelSelector=app.kubernetes.io/component%3Drouting"
    path = f"/api/v1/namespaces/trackpush/secrets?{selector}"
    version = (await api.request("GET", path))["metadata"]["resourceVersion"]
    written: asyncio.Queue[str] = asyncio.Queue()

    async def watch() -> None:
        async for item in api.events(path, version):
            written.put_nowait(item["metadata"]["name"])

    watching = asyncio.ensure_future(watch())
    bare, whole, shards = [], [], []
    await api.request("POST", "/api/v1/namespaces/trackpush/configmaps", {"metadata": {"name": "bare"}})
    for number in range(CHANGES):
        begun = time.perf_counter()
        await api.merge("/api/v1/namespaces/trackpush/configmaps/bare", {"data": {"value": str(number)}})
        bare.append(time.perf_counter() - begun)
        client = number * 97 % clients
        place = f"/api/v1/namespaces/tenants-{client // PER_NAMESPACE}/secrets/client-{client}"
        begun = time.perf_counter()
        await api.merge(place, {"stringData": {"outbound": f"changed-{number}"}})
        await asyncio.wait_for(written.get(), 30)
        whole.append(time.perf_counter() - begun)
        await asyncio.sleep(0.3)  # a second shard, if one were written, would come now
        shards.append(1 + written.qsize())
        while not written.empty():
            written.get_nowait()
    watching.cancel()
    return bare, whole, shards


async def measure(plane: ControlPlane, clients: int, idle: float, folder: Path) -> dict[str, Any]:
    """All of it, in one run."""
    async with BareApi(plane.kubeconfig) as api:
        await fill(api, clients)
        print(f"{clients} clients are there", flush=True)
        bare = []
        for _ in range(2):
            command = [
                sys.executable,
                str(Path(__file__).parent / "scale_bare.py"),
                str(plane.kubeconfig),
                str(IN_FLIGHT),
            ]
            done = await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, text=True)
            bare.append(json.loads(done.stdout))
            await clear(api)
        print(f"bare loop: {bare}", flush=True)
        operator = OperatorProcess(plane.kubeconfig, folder / "operator.log")
        try:
            cold = await cold_start(operator, 2 * clients + 1)
            await decided(api)
            memory = usage(operator.pid)
            print(f"operator: {cold:.1f} s, {memory}", flush=True)
            patches, whole, shards = await changes(api, clients)
            await asyncio.sleep(5)
            before = await operator.requests()
            await asyncio.sleep(idle)
            idle_requests = (await operator.requests()) - before
        finally:
            operator.stop()
    base = median(measured["seconds"] for measured in bare)
    return {
        "clients": clients,
        "bare_seconds": base,
        "cold_seconds": cold,
        "cold start": cold / base,
        "bare_patch_ms": median(patches) * 1000,
        "change_ms": median(whole) * 1000,
        "change to shard": median(whole) / median(patches),
        "shards_per_change": max(shards),
        "bare_mib": median(measured["mib"] for measured in bare),
        "operator_mib": memory.mib,
        "memory": memory.mib / median(measured["mib"] for measured in bare),
        "operator_cpu_seconds": memory.cpu_seconds,
        "idle_requests_per_hour": {" ".join(key): round(value * 3600 / idle) for key, value in idle_requests.items()},
    }


def show(found: dict[str, Any]) -> bool:
    """Print it; whether every limit is kept."""
    table = Table(title=f"The operator with {found['clients']} clients", title_justify="left")
    for column in ("what", "bare", "operator", "ratio", "limit", ""):
        table.add_column(column)
    rows = (
        ("cold start", f"{found['bare_seconds']:.1f} s", f"{found['cold_seconds']:.1f} s"),
        ("change to shard", f"{found['bare_patch_ms']:.1f} ms", f"{found['change_ms']:.1f} ms"),
        ("memory", f"{found['bare_mib']:.0f} MiB", f"{found['operator_mib']:.0f} MiB"),
    )
    kept = found["shards_per_change"] == 1
    for what, bare, ours in rows:
        good = found[what] <= LIMITS[what]
        kept &= good
        table.add_row(what, bare, ours, f"{found[what]:.2f}", f"<= {LIMITS[what]:.0f}", "pass" if good else "not yet")
    table.add_row("shards written by one change", "", str(found["shards_per_change"]), "", "1", "")
    console = Console(width=110)
    console.print(table)
    console.print(f"requests in an idle hour: {found['idle_requests_per_hour']}")
    return bool(kept)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=5000)
    parser.add_argument("--idle", type=float, default=60.0, help="seconds in which nothing happens")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        plane = ControlPlane(Path(name) / "plane", controllers=False)
        try:
            plane.start()
            install_kinds(plane)
            found = asyncio.run(measure(plane, arguments.clients, arguments.idle, Path(name)))
        finally:
            plane.stop()
    out = paths.CACHE
    out.mkdir(parents=True, exist_ok=True)
    (out / f"operator-{os.getpid()}.json").write_text(json.dumps(found, indent=1))
    show(found)


if __name__ == "__main__":
    main()
