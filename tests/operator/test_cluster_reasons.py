"""On a real API server: every reason of every condition is reached, with a message that says what to do.

Those that the other test_cluster files reach on their way are not repeated here; `test_all_reasons_are_reached` counts.
"""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from support import objects
from support.objects import Body
from support.operating import Client, fake_pod
from trackpush_api.shards import shard_name
from trackpush_operator.app import Operator

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]

KEYS = objects.secret("keys", **{"in": "key-of-acme-0001", "out": "s-1", "empty": "", "line": "a\nb", "short": "k"})
MAIN = objects.server()
SHARED = objects.server(storage={"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}, replicas=2)
SLACK = {"name": "slack", "format": "Slack", "urlFrom": {"secretKeyRef": {"name": "hooks", "key": "slack"}}}
PLAIN = {"name": "plain", "url": "http://plain.example"}
AW, PC, WHS = "AggregatorWebhook", "PushConfig", "WebhookServer"

REACHED: list[tuple[list[Body], str, str, str, str, str]] = [
    ([MAIN, KEYS, objects.webhook(key="none")], AW, "clickpost", "ResolvedRefs", "False SecretKeyNotFound",
     'Secret "keys" has no key "none" (found: "empty", "in", "line", "out", "short"); add it or fix the key'),
    ([MAIN, KEYS, objects.webhook(key="empty")], AW, "clickpost", "ResolvedRefs", "False SecretValueInvalid",
     'key "empty" of Secret "keys" is empty; set it'),
    ([MAIN, KEYS, objects.webhook()], AW, "clickpost", "ResolvedRefs", "False NoPushConfig", "PushConfig"),
    ([MAIN, objects.webhook(held_in="nowhere")], AW, "clickpost", "ResolvedRefs", "False SecretNotFound", "create it"),
    ([MAIN, objects.webhook(held_in="nowhere")], AW, "clickpost", "Programmed", "False NotServed", ""),
    ([MAIN, objects.push(held_in="nowhere")], PC, "oms", "ResolvedRefs", "False SecretNotFound", "create it or fix"),
    ([MAIN, KEYS, objects.push(key="none")], PC, "oms", "ResolvedRefs", "False SecretKeyNotFound", "add it or fix"),
    ([MAIN, KEYS, objects.push(key="line")], PC, "oms", "ResolvedRefs", "False SecretValueInvalid", "no header may"),
    ([MAIN, KEYS, objects.push(key="line")], PC, "oms", "Programmed", "False NotServed", ""),
    ([MAIN, KEYS, objects.push(url="http://plain.example"), objects.webhook()], PC, "oms", "Accepted", "False Invalid",
     "use an https URL, or set egress.httpsOnly: false"),
    ([MAIN, KEYS, objects.push(), objects.webhook()], PC, "oms", "Delivering", "Unknown NoReadyPods", ""),
    ([MAIN, KEYS, objects.push(key="none"), objects.webhook()], PC, "oms", "Delivering", "Unknown NotServed", ""),
    ([objects.server(egress={"allowedCIDRs": ["1:2:3:4:5::6:7:8:9/64"]})], WHS, "main", "Accepted", "False Invalid",
     "'1:2:3:4:5::6:7:8:9/64' is not a CIDR"),
    ([SHARED], WHS, "main", "ResolvedRefs", "False SecretNotFound", 'Secret "db" is not in namespace'),
    ([SHARED], WHS, "main", "Programmed", "False NotServed", "without the Secrets that it names"),
    ([SHARED, objects.secret("db", url="")], WHS, "main", "ResolvedRefs", "False SecretKeyNotFound",
     'spec.storage.postgres.dsnSecretRef.key: Secret "db" has no key "dsn" (found: "url"); add it or fix the key'),
    ([SHARED, objects.secret("db", dsn="mysql://h/d")], WHS, "main", "ResolvedRefs", "False SecretValueInvalid",
     'key "dsn" of Secret "db" is not a PostgreSQL URL; write postgresql://USER:PASSWORD@HOST:5432/DATABASE'),
    ([objects.server(expose={"httpRoute": {"parentRefs": [{"name": "edge"}]}})], WHS, "main", "Programmed",
     "False ExposeUnavailable", "Gateway API"),
    ([MAIN], WHS, "main", "Programmed", "False NoReadyPods", ""),
    ([objects.server(notifications=[SLACK])], WHS, "main", "Notifying", "False SecretNotFound",
     'Secret "hooks" is not in namespace'),
    ([objects.server(notifications=[SLACK])], WHS, "main", "ResolvedRefs", "True ResolvedRefs", ""),
    ([MAIN, KEYS, objects.push(notifications=[SLACK]), objects.webhook()], PC, "oms", "Notifying",
     "False SecretNotFound", "create it or fix the name (until then, notification slack is not sent)"),
    ([MAIN, KEYS, objects.push(notifications=[PLAIN]), objects.webhook()], PC, "oms", "Notifying", "False Invalid",
     "spec.notifications[0].url: plain http is refused"),
]  # fmt: skip


@pytest.mark.parametrize("row", REACHED, ids=[f"{row[1]} {row[3]} {row[4]}" for row in REACHED])
async def test_a_reason_is_reached_and_says_what_to_do(
    cluster: Client, namespace: str, start: Start, within: Within, row: tuple[list[Body], str, str, str, str, str]
) -> None:
    given, kind, name, condition, wanted, told = row
    await cluster.create(*(within(body) for body in given))
    async with start():
        await cluster.until_condition(kind, namespace, name, **{condition: wanted})
        assert told in await cluster.message(kind, namespace, name, condition)
        found = await cluster.get(kind, namespace, name)
        assert found is not None
        (one,) = [entry for entry in found["status"]["conditions"] if entry["type"] == condition]
        assert one["observedGeneration"] == found["metadata"]["generation"]


async def test_an_endpoint_that_is_gone(cluster: Client, namespace: str, start: Start, within: Within) -> None:
    given = [MAIN, KEYS, objects.push(), objects.webhook()]
    await cluster.create(*(within(body) for body in given))
    async with start() as operator, fake_pod(f"{namespace}/main") as pod:
        await cluster.pod(objects.pod("fake", namespace=namespace, ip="127.0.0.1", port=pod.port))
        pod.failing = [
            {"name": f"{namespace}/oms", "reason": "EndpointGone", "since": 1767225600, "message": "HTTP 410"}
        ]

        async def serve() -> dict[str, Any]:
            pod.files = {name: shard.revision for name, shard in (await cluster.shards(namespace, "main")).items()}
            operator.state.queues.readback.add(f"{namespace}/main")
            return await cluster.conditions("PushConfig", namespace, "oms")

        await cluster.until(serve, {"Delivering": "False EndpointGone"})


async def test_a_shard_without_room(cluster: Client, namespace: str, start: Start, within: Within) -> None:
    shard, names = shard_name(f"{namespace}/oms-0"), []
    for number in range(10_000):
        if shard_name(f"{namespace}/oms-{number}") == shard:
            names.append(f"oms-{number}")
        if len(names) == 20:
            break
    large = [{"name": f"X-{number}", "value": "x" * 4000} for number in range(7)]
    pushes = []
    for name in names:
        body = within(objects.push(name))
        body["spec"]["headers"] = large
        pushes.append(body)
    await cluster.create(*(within(body) for body in (MAIN, KEYS, objects.webhook())), *pushes)
    async with start():

        async def full() -> int:
            found = [await cluster.conditions("PushConfig", namespace, name) for name in names]
            return sum(conditions.get("Programmed") == "False ShardFull" for conditions in found)

        await cluster.until(full, 2, seconds=60)


HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "operator.md"


def test_all_reasons_are_reached() -> None:
    text = PAGE.read_text().partition("\n## Conditions\n")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("|") and line.count("|") >= 4]
    documented = {name for line in rows for name in re.findall(r"`([A-Z][A-Za-z]+)`", line)}
    tested = "".join(file.read_text() for file in HERE.glob("test_cluster_*.py"))
    assert len(documented) > 20
    assert {name for name in documented if f" {name}" not in tested} == set()
