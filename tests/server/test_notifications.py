"""A whole server tells people about its endpoints and accounts, and reports a target that it can't reach."""

import re
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from announcing.rig import FAST, counts, is_signed, target
from support.command import invoked
from support.deadline import until, until_found
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import account, serving, table
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import AnnouncementTarget, Destination, Postgres, RoutingTable, Storage
from trackpush_server.journal.announcements import AnnouncementRows
from trackpush_server.server import Server

KEY = "right-key-of-clickpost"


def given(storage: Storage, endpoint: Sink, *targets: AnnouncementTarget, own: AnnouncementTarget) -> RoutingTable:
    """One account with one PushConfig; ``own`` is a target of the PushConfig, the others are the server's."""
    push = Destination(name="acme/push", url=endpoint.url, announcement_targets=(own,))
    made = table(account("Clickpost", KEY), destinations=[push], storage=storage)
    return msgspec.structs.replace(made, server=msgspec.structs.replace(made.server, announcement_targets=targets))


async def post(server: Server, session: aiohttp.ClientSession, awb: int, body: bytes | None = None) -> None:
    url = f"http://{server.address}/rms/in/api/clickpost/notify"
    given = b'{"waybill": "%d", "clickpost_status_code": 8, "timestamp": "2026-06-02T13:23:02Z"}' % awb
    async with session.post(url, data=body or given, headers={"x-api-key": KEY}) as answer:
        assert answer.status == 200, await answer.text()


async def ask(server: Server, session: aiohttp.ClientSession, path: str) -> str:
    async with session.get(f"http://{server.admin_address}{path}") as answer:
        return await answer.text()


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """A round every 20 ms."""
    monkeypatch.setattr("trackpush_server.announcing.announcer.Pace", lambda: FAST)


@EITHER_STORAGE
@pytest.mark.usefixtures("fast")
async def test_an_endpoint_that_is_gone_and_recovers_and_an_unrecognised_body_are_announced(
    tmp_path: Path, storage: Storage, client: aiohttp.ClientSession
) -> None:
    statuses = [410]

    async def answer(arrival: Arrival) -> int:
        del arrival
        return statuses[-1]

    async with open_sink(answer) as endpoint, open_sink() as slack, open_sink() as pager:
        own = msgspec.structs.replace(target(pager), name="PushConfig/acme/push/pager")
        served = given(storage, endpoint, target(slack, slack=True), own=own)
        async with serving(tmp_path, served) as server:
            await post(server, client, 8001)
            await until(lambda: bool(slack.arrivals and pager.arrivals), seconds=30, what="both messages")
            await post(server, client, 0, b'{"event": "x", "payload": [1]}')
            statuses.append(200)
            reopened = await client.post(f"http://{server.admin_address}/api/v1/push-configs/acme/push/reopen")
            reopened.release()
            await until(lambda: len(endpoint.arrivals) > 1, seconds=30, what="the push is sent again")
            metrics = await ask(server, client, "/metrics")
            assert 'trackpush_notification_attempts_total{result="sent"} 2.0' in metrics
            assert "trackpush_notifications_pending 0.0" in metrics
            read = server._journal.announcements.read
            known = await until_found(read, lambda found: {row.kind for row in found.announced} == {""})
            assert {row.total for row in known.announced} == {0, 1}
            assert known.collecting == {"WebhookServer/trackpush/main/slack", "PushConfig/acme/push/pager"}
            assert (await invoked("status", "--admin", server.admin_address)).stdout.count("NotificationFailing") == 0
    assert "acme/push answered 410" in msgspec.json.decode(slack.arrivals[0].body)["text"]
    assert counts(pager.arrivals[0]) == {"EndpointGone": 1}
    assert is_signed(pager.arrivals[0])


@pytest.mark.usefixtures("fast")
async def test_a_target_that_cannot_be_reached_is_a_finding_and_delays_no_push(
    tmp_path: Path, storage: Storage, client: aiohttp.ClientSession
) -> None:
    async def gone(arrival: Arrival) -> int:
        del arrival
        return 410

    async with open_sink() as closed:
        nowhere = target(closed)
    own = msgspec.structs.replace(nowhere, name="PushConfig/acme/push/pager")
    async with open_sink(gone) as endpoint, serving(tmp_path, given(storage, endpoint, nowhere, own=own)) as server:
        await post(server, client, 8001)

        async def failing() -> list[dict[str, Any]]:
            found = msgspec.json.decode(await ask(server, client, "/api/v1/findings"))["findings"]
            return [each for each in found if each["reason"] == "NotificationFailing"]

        first, second = sorted(
            await until_found(failing, lambda found: len(found) == 2), key=lambda finding: str(finding["kind"])
        )
        assert (first["kind"], first["name"]) == ("PushConfig", "acme/push")
        assert (second["kind"], second["name"], second["severity"]) == ("WebhookServer", "trackpush/main", "error")
        assert re.search(r"notification slack .*connect", second["message"])
        assert "http" not in second["message"]  # the URL may be a secret
        status = await invoked("status", "--admin", server.admin_address)
        assert status.exit_code == 1
        assert "NotificationFailing" in status.stdout


@pytest.mark.usefixtures("fast")
async def test_two_replicas_announce_each_endpoint_once_even_if_one_of_them_ends(
    tmp_path: Path, client: aiohttp.ClientSession, postgres_dsn: str
) -> None:
    """Real leases: the second replica takes over the slots of the first one in the middle."""
    names = [f"acme/{number}-push" for number in range(20)]
    statuses = [410]

    async def answer(arrival: Arrival) -> int:
        del arrival
        return statuses[-1]

    async with open_sink(answer) as endpoint, open_sink() as pager:
        made = table(
            account("Clickpost", KEY, destinations=names),
            destinations=[Destination(name=name, url=endpoint.url) for name in names],
            storage=Postgres(dsn=postgres_dsn),
        )
        served = msgspec.structs.replace(
            made, server=msgspec.structs.replace(made.server, announcement_targets=(target(pager),))
        )
        async with serving(tmp_path / "one", served, lease=5.0) as one:
            async with serving(tmp_path / "two", served, lease=5.0) as two:
                await until(
                    lambda: all(0 < len(_held(server, names)) < 20 for server in (one, two)),
                    seconds=60,
                    what="both replicas send",
                )
                await post(one, client, 8001)
                read = one._journal.announcements.read
                await until_found(read, lambda found: len(_announced(found, "EndpointGone")) == 20, seconds=60)
            await until(lambda: len(_held(one, names)) == 20, seconds=60, what="one replica sends everything")
            statuses.append(200)
            for name in names:
                (await client.post(f"http://{one.admin_address}/api/v1/push-configs/{name}/reopen")).release()
            await until(lambda: len(endpoint.arrivals) >= 40, seconds=60, what="all pushes are sent again")
            await until_found(read, lambda found: len(_announced(found, "")) == 20, seconds=60)
    gone = [counts(arrival).get("EndpointGone", 0) for arrival in pager.arrivals]
    assert sum(gone) <= 20
    assert len({arrival.webhook_id for arrival in pager.arrivals}) == len(pager.arrivals)


def _held(server: Server, names: list[str]) -> list[str]:
    return [name for name in names if server._ownership.holds(name)]


def _announced(found: AnnouncementRows, kind: str) -> list[str]:
    return [row.name for row in found.announced if row.kind == kind]
