"""/undelivered names the PushConfigs whose endpoint takes nothing now, and nobody else."""

import json
import time
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from msgspec.structs import replace

from support.bodies import body
from support.deadline import until
from support.serving import HeldSource, serving, table
from support.sink import Arrival, accept, open_sink
from trackpush_api.routing import Destination, Retry
from trackpush_server.admin.undelivered import undelivered
from trackpush_server.config.source import Loaded
from trackpush_server.outbound.port import Answer, Failure
from trackpush_server.pusher import breaker, policy
from trackpush_server.pusher.observer import Trouble
from trackpush_server.server import Server

KEY = {"x-api-key": "right-key-of-clickpost"}


async def busy(arrival: Arrival) -> int:
    del arrival
    return 503


async def gone(arrival: Arrival) -> int:
    del arrival
    return 410


def to(url: str) -> Destination:
    """With a secret in its query."""
    return Destination(name="acme/push", url=f"{url}?token=s3cret", retry=Retry(schedule=(0.02,), jitter=0.0))


async def post(server: Server, *marks: int) -> None:
    async with aiohttp.ClientSession() as session:
        for mark in marks:
            url = f"http://{server.address}/rms/in/api/clickpost/notify"
            content = body("clickpost", mark=mark, shipment=mark, second=1)
            async with session.post(url, data=content, headers=KEY) as answer:
                assert answer.status == 200


async def failing(server: Server) -> list[dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{server.admin_address}/undelivered") as answer,
    ):
        assert answer.status == 200
        text = await answer.text()
        assert "s3cret" not in text
        found: list[dict[str, Any]] = json.loads(text)["pushConfigs"]
        return found


async def until_breaker(server: Server, state: str) -> None:
    await until(lambda: server._dispatcher.snapshot()[0].breaker == state, seconds=5, what=state)


async def test_a_failing_endpoint_is_reported_with_its_answer_and_since_when_until_it_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(breaker, "PROBE_DELAYS", (0.02,))
    async with open_sink(busy) as sink, serving(tmp_path, table(destinations=[to(sink.url)])) as server:
        assert await failing(server) == []
        started = int(time.time())
        await post(server, *range(6))
        await until_breaker(server, "open")
        (one,) = await failing(server)
        assert (one["name"], one["reason"]) == ("acme/push", "EndpointFailing")
        assert started <= one["since"] <= time.time()
        assert "HTTP 503" in one["message"]
        assert int(one["message"].split()[2]) >= 5, "how many failed in a row"
        sink.behaviour = accept
        await until_breaker(server, "closed")
        assert await failing(server) == []


async def test_an_endpoint_that_says_it_is_gone_is_reported_so_until_its_push_config_changes(tmp_path: Path) -> None:
    async with open_sink(gone) as sink:
        source = HeldSource(table(destinations=[to(sink.url)]))
        async with serving(tmp_path, source=source) as server:
            await post(server, 1)
            await until_breaker(server, "gone")
            (one,) = await failing(server)
            assert (one["name"], one["reason"]) == ("acme/push", "EndpointGone")
            assert "HTTP 410" in one["message"]
            sink.behaviour = accept
            source.loaded = Loaded(table=table(destinations=[replace(to(sink.url), timeout=3.0)]))
            await until(lambda: len(sink.arrivals) == 2, seconds=5, what="the push that waited")
            assert await failing(server) == []


@pytest.mark.parametrize(
    ("url", "address"),
    [("http://10.255.0.1/hook", "10.255.0.1"), ("http://[::ffff:169.254.169.254]/hook", "::ffff:a9fe:a9fe")],
)
async def test_a_denied_push_names_what_was_denied_and_the_field_to_set(tmp_path: Path, url: str, address: str) -> None:
    async with serving(tmp_path, table(destinations=[to(url)])) as server:
        await post(server, 1)
        await until(lambda: bool(server._dispatcher.troubles()), seconds=30, what="the denied push")
        (one,) = await failing(server)
    assert one["reason"] == "EndpointFailing"
    assert f"denied: pushes may not go to {address}" in one["message"]
    assert "add it to egress.allowedCIDRs of the WebhookServer" in one["message"]
    assert "No retry can help" in one["message"]


async def test_a_suspended_push_config_is_not_failing(tmp_path: Path) -> None:
    suspended = replace(to("http://127.0.0.1:1/hook"), suspended=True)
    async with serving(tmp_path, table(destinations=[suspended])) as server:
        await post(server, 1)
        assert await failing(server) == []


def test_a_cause_is_a_class_and_nothing_of_what_the_endpoint_said() -> None:
    assert policy.cause(Answer(status=500, detail="token s3cret is wrong")) == "HTTP 500"
    assert policy.cause(Answer(failure=Failure.TIMEOUT, detail="https://a.example/?key=s3cret")) == "timeout"
    trouble = Trouble(push_config="acme/push", gone=False, since=12.9, cause="timeout", failures=7)
    (one,) = undelivered([trouble], {}).push_configs
    assert one.since == 12
    assert "7 attempts failed, the latest with: timeout" in one.message
