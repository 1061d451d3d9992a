"""On a real API server, with a real server process on what the operator writes, and a real client's endpoint.

What a client is promised holds when it is asked for by `kubectl`: filters, signing, auth, suspend, a Secret that
changes, 410. Only the kubelet is played: `support.kubelet` mounts the Secrets and shows the process as a pod.
"""

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
from aiohttp import web

from support import objects
from support.bodies import awb, body
from support.deadline import until
from support.kubelet import mounted
from support.objects import Body
from support.operating import Client
from support.server import ServerProcess
from support.sink import Arrival, Sink, accept, open_sink
from trackpush_operator.app import Operator
from trackpush_operator.kube.kinds import EVENTS
from trackpush_server.pusher import render

Start = Callable[..., AbstractAsyncContextManager[Operator]]
Within = Callable[[Body], Body]
OLD, NEW = (f"whsec_{base64.b64encode(letter * 24).decode()}" for letter in (b"o", b"n"))
KEY = "key-of-acme-0001"
PLACE = "MiraRd"
"""Stands in every body."""
PATIENCE = 60.0


def refs(*keys: str) -> list[Body]:
    return [{"secretKeyRef": {"name": "keys", "key": key}} for key in keys]


class Loop(NamedTuple):
    """Everything from the API server to the client's endpoint and back."""

    cluster: Client
    namespace: str
    operator: Operator
    server: ServerProcess
    sink: Sink

    async def push_config(self, **spec: Any) -> None:
        """Change the PushConfig, as people do."""
        await self.cluster.patch("PushConfig", self.namespace, "oms", spec=spec)

    async def shows(self, kind: str, name: str, **wanted: str) -> None:
        """Wait for conditions."""

        async def conditions() -> dict[str, str]:
            self.operator.state.queues.readback.add(f"{self.namespace}/main")
            return await self.cluster.conditions(kind, self.namespace, name)

        await self.cluster.until(conditions, wanted, seconds=PATIENCE)

    async def post(self, *marks: int) -> None:
        """One update per mark, of a shipment of its own."""
        url = f"{self.server.url}/rms/in/api/clickpost/notify"
        async with aiohttp.ClientSession() as session:
            for mark in marks:
                content = body("clickpost", mark=mark, shipment=mark, second=1)
                async with session.post(url, data=content, headers={"webhook_key": KEY}) as answer:
                    assert answer.status == 200, await answer.text()

    async def arrived(self, *marks: int) -> None:
        """Wait until all of these came."""
        await until(lambda: set(marks) <= self.sink.marks, seconds=PATIENCE, what=lambda: str(self.sink.marks))

    async def sent_with(self, marks: range, wanted: Callable[[Arrival], bool]) -> Arrival:
        """Post until a push looks as wanted: when a Secret takes effect is not told by any status."""
        begun = time.monotonic()
        for mark in marks:
            await self.post(mark)
            await self.arrived(mark)
            if wanted(self.sink.arrivals[-1]):
                return self.sink.arrivals[-1]
            assert time.monotonic() - begun < PATIENCE, self.sink.arrivals[-1].headers
            await asyncio.sleep(0.1)
        raise AssertionError(f"none of {marks} was sent so: {self.sink.arrivals[-1].headers}")


@pytest.fixture
async def loop(cluster: Client, namespace: str, start: Start, within: Within, tmp_path: Path) -> AsyncIterator[Loop]:
    """One client, programmed."""
    async with contextlib.AsyncExitStack() as stack:
        sink = await stack.enter_async_context(open_sink())
        await cluster.create(
            within(objects.server(egress={"httpsOnly": False, "allowedCIDRs": ["127.0.0.0/8"]})),
            within(objects.secret("keys", **{"in": KEY, "out": "s-1", "token": "t-1", "old": OLD, "new": NEW})),
            within(
                objects.push(
                    "oms",
                    url=sink.url,
                    auth={"bearer": {"token": refs("token")[0]}},
                    signing={"secrets": refs("old")},
                    filter={"expression": "status.code == 'IN_TRANSIT'"},
                    delivery={"retry": {"schedule": ["100ms"]}},
                )
            ),
            within(objects.webhook("clickpost")),
        )
        operator = await stack.enter_async_context(start(lease_seconds=60.0))  # a busy machine is no second operator
        server = await stack.enter_async_context(mounted(cluster, namespace, tmp_path))
        made = Loop(cluster, namespace, operator, server, sink)
        for kind, name in (("PushConfig", "oms"), ("AggregatorWebhook", "clickpost"), ("WebhookServer", "main")):
            await made.shows(kind, name, Programmed="True Programmed")
        yield made


def signed_by(arrival: Arrival, *secrets: str) -> bool:
    keys, stamp = render.signing_keys(secrets), int(arrival.headers["webhook-timestamp"])
    wanted = render.signature(keys, arrival.webhook_id, stamp, arrival.body)
    return arrival.headers["webhook-signature"] == wanted


@pytest.mark.slow
async def test_filter_auth_and_signing_reach_the_running_server_and_so_do_changed_secrets(loop: Loop) -> None:
    await loop.post(1)
    await loop.arrived(1)
    (first,) = loop.sink.arrivals
    assert first.headers["authorization"] == "Bearer t-1"
    assert signed_by(first, OLD)

    await loop.cluster.secret(loop.namespace, "keys", token="t-2")
    await loop.sent_with(range(100, 1000), lambda arrival: arrival.headers["authorization"] == "Bearer t-2")
    await loop.push_config(signing={"secrets": refs("new", "old")})
    await loop.sent_with(range(1000, 2000), lambda arrival: signed_by(arrival, NEW, OLD))
    await loop.push_config(signing={"secrets": refs("new")})
    await loop.sent_with(range(2000, 3000), lambda arrival: signed_by(arrival, NEW))

    await loop.push_config(filter={"expression": "status.code == 'DELIVERED'"})
    await loop.shows("PushConfig", "oms", Programmed="True Programmed")
    await loop.post(3000)
    await loop.push_config(filter={"expression": "raw.clickpost_status_code == 5"})
    await loop.shows("PushConfig", "oms", Programmed="True Programmed")
    await loop.post(3001)
    await loop.arrived(3001)
    assert 3000 not in loop.sink.marks, "what a filter drops is never sent"


@pytest.mark.slow
async def test_what_came_while_suspended_on_either_level_is_sent_after_over_a_kill(loop: Loop) -> None:
    suspended = {"Delivering": "False Suspended", "Programmed": "True Programmed"}
    levels = (("PushConfig", "oms", suspended), ("AggregatorWebhook", "clickpost", {"Programmed": "True Programmed"}))
    for number, (kind, name, shown) in enumerate(levels):
        first = 10 * number
        await loop.cluster.patch(kind, loop.namespace, name, spec={"suspend": True})
        await loop.shows(kind, name, **shown)
        await loop.post(first, first + 1)
        await loop.server.kill()
        await loop.server.start()
        await loop.post(first + 2)
        assert [arrival.mark for arrival in loop.sink.arrivals if (arrival.mark or 0) >= first] == []
        await loop.cluster.patch(kind, loop.namespace, name, spec={"suspend": False})
        await loop.arrived(first, first + 1, first + 2)
    assert len(loop.sink.arrivals) == 6
    await loop.shows("PushConfig", "oms", Delivering="True Delivering")


@pytest.mark.slow
async def test_410_is_a_condition_an_event_and_a_metric_is_resumed_as_documented_and_shows_nothing_about_people(
    loop: Loop,
) -> None:
    async def gone(arrival: Arrival) -> web.Response:
        return web.Response(status=410, text=f"no more of {PLACE}: {arrival.body.decode()[:200]}")

    loop.sink.behaviour = gone
    await loop.post(1, 2)
    await loop.shows("PushConfig", "oms", Delivering="False EndpointGone", Ready="True Ready")
    await loop.cluster.until(lambda: has_event(loop, ("Warning", "EndpointGone")), wanted=True, seconds=PATIENCE)
    metric = f'trackpush_breaker_state{{push_config="{loop.namespace}/oms",state="gone"}} 1.0'
    assert metric in (await loop.server.probe("/metrics")).text

    loop.sink.behaviour = accept
    for suspend in (True, False):  # docs/failing-endpoints.md
        await loop.push_config(suspend=suspend)
        await loop.shows("PushConfig", "oms", Programmed="True Programmed")
    await loop.arrived(1, 2)
    await loop.shows("PushConfig", "oms", Delivering="True Delivering", Ready="True Ready")
    await loop.cluster.until(lambda: has_event(loop, ("Normal", "Delivering")), wanted=True, seconds=PATIENCE)
    told = await told_by_the_cluster(loop)
    assert "EndpointGone" in told
    assert [word for word in (PLACE, awb(1), awb(2), KEY, "t-1", OLD) if word in told] == []


async def has_event(loop: Loop, event: tuple[str, str]) -> bool:
    return event in await loop.cluster.events(loop.namespace)


async def told_by_the_cluster(loop: Loop) -> str:
    """All Events and all statuses."""
    found: list[Any] = await loop.cluster.objects(EVENTS, loop.namespace)
    for kind, name in (("PushConfig", "oms"), ("AggregatorWebhook", "clickpost"), ("WebhookServer", "main")):
        found.append((await loop.cluster.get(kind, loop.namespace, name) or {}).get("status"))
    return json.dumps(found).replace(loop.namespace, "")  # test- and random digits, which may look like a secret
