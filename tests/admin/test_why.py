"""Every push says over the API why it waits or ended: a real server, real endpoints, either journal."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from admin.test_operations import ask
from support.bodies import body
from support.deadline import until, until_found
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import HeldSource, account, role_tokens, serving, table
from support.sink import Arrival, Sink, hang, open_sink
from trackpush_api.routing import Destination, Postgres, RateLimit, Retry, RoutingTable, Sqlite, Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.source import Loaded
from trackpush_server.journal.postgres.leases import Leases
from trackpush_server.server import Server

PATIENT = Retry(schedule=(600.0,), max_age=3600.0, jitter=0.0)


def given(sink: Sink, storage: Storage = Sqlite(), **fields: Any) -> RoutingTable:  # noqa: B008  immutable
    destination = Destination(**{"name": "acme/push", "url": sink.url, "retry": PATIENT, **fields})
    return table(account(Aggregator.CLICKPOST, "k"), destinations=[destination], storage=storage)


async def post(server: Server, *marks: int, shipment: int | None = None) -> None:
    """One update per mark, each of a shipment of its own unless one is given."""
    url = f"http://{server.address}/rms/in/api/clickpost/notify"
    async with aiohttp.ClientSession() as session:
        for mark in marks:
            content = body("clickpost", mark=mark, shipment=mark if shipment is None else shipment, second=mark)
            async with session.post(url, data=content, headers={"x-api-key": "k"}) as answer:
                assert answer.status == 200, await answer.text()


async def listed(server: Server) -> list[dict[str, Any]]:
    """All pushes, oldest first."""
    status, page = await ask(server, "GET", "/api/v1/pushes?limit=100")
    assert status == 200, page
    return list(reversed(page["pushes"]))


async def codes(server: Server, *wanted: str) -> list[dict[str, Any]]:
    """Wait until the pushes, oldest first, have these codes; returns their whys."""
    found = await until_found(
        lambda: listed(server), lambda pushes: [push["why"]["code"] for push in pushes] == list(wanted)
    )
    return [push["why"] for push in found]


async def fail(arrival: Arrival) -> web.Response:
    del arrival
    return web.Response(status=503, text="ORA-12541: no listener")


@contextlib.asynccontextmanager
async def swapping(folder: Path, first: RoutingTable) -> AsyncIterator[tuple[Server, HeldSource]]:
    """A server whose routing table the test can replace."""
    source = HeldSource(first)
    async with serving(folder, source=source) as server:
        yield server, source


def swap(server: Server, source: HeldSource, new: RoutingTable) -> None:
    source.loaded = Loaded(table=new)
    server._watcher.refresh()


@EITHER_STORAGE
async def test_list_push_and_shipment_give_the_same_reason(tmp_path: Path, storage: Storage) -> None:
    async with open_sink(fail) as sink, serving(tmp_path, given(sink, storage)) as server:
        await post(server, 1, 2, shipment=1)
        first, second = await codes(server, "RetryScheduled", "BehindEarlierPush")
        assert "HTTP 503: ORA-12541" in first["message"]
        pushes = await listed(server)
        assert second["behind"] == pushes[0]["id"]
        assert first["nextAt"] == pushes[0]["nextTryAt"]
        assert second["since"] == pushes[1]["receivedAt"]
        _, story = await ask(server, "GET", f"/api/v1/shipments/{pushes[0]['awb']}")
        assert [update["pushes"][0]["push"]["why"] for update in story["updates"]] == [first, second]
        for push in pushes:
            _, whole = await ask(server, "GET", f"/api/v1/pushes/{push['id']}")
            assert whole["push"]["why"] == push["why"]


@EITHER_STORAGE
async def test_a_failing_endpoint_is_the_reason_of_each_of_its_pushes_also_of_those_that_were_never_tried(
    tmp_path: Path, storage: Storage
) -> None:
    async with open_sink(fail) as sink, serving(tmp_path, given(sink, storage)) as server:
        await post(server, *range(6))
        await codes(server, *["EndpointFailing"] * 6)
        await post(server, 7)
        found = (await codes(server, *["EndpointFailing"] * 7))[-1]
        assert "HTTP 503" in found["message"]
        assert "ORA" not in found["message"], "the endpoint's text is of another push"
        assert found["since"] is not None
        assert found["nextAt"] is not None


@EITHER_STORAGE
async def test_a_gone_endpoint_is_the_reason_also_of_pushes_that_were_never_tried(
    tmp_path: Path, storage: Storage
) -> None:
    async def gone(arrival: Arrival) -> int:
        del arrival
        return 410

    async with open_sink(gone) as sink, serving(tmp_path, given(sink, storage)) as server:
        await post(server, 1)
        await codes(server, "EndpointGone")
        await post(server, 2)
        found = (await codes(server, "EndpointGone", "EndpointGone"))[-1]
        assert "HTTP 410" in found["message"]
        assert found["since"] is not None
        assert len(sink.arrivals) == 1


async def test_what_people_stopped_says_what_they_stopped(tmp_path: Path) -> None:
    async with open_sink() as sink, swapping(tmp_path, given(sink, suspended=True)) as (server, source):
        await post(server, 1)
        assert "PushConfig acme/push" in (await codes(server, "Suspended"))[0]["message"]
        whole = given(sink)
        swap(server, source, msgspec.structs.replace(whole, destinations=()))
        assert "acme/push" in (await codes(server, "NoPushConfig"))[0]["message"]
        paused = tuple(msgspec.structs.replace(entry, suspended=True) for entry in whole.accounts)
        swap(server, source, msgspec.structs.replace(whole, accounts=paused))
        assert "AggregatorWebhook acme/clickpost" in (await codes(server, "Suspended"))[0]["message"]
        swap(server, source, whole)
        await codes(server, "Delivered")


async def test_a_push_that_waits_for_others_says_so(tmp_path: Path) -> None:
    async with open_sink(hang) as sink, serving(tmp_path, given(sink, max_concurrency=1)) as server:
        await post(server, 1, 2)
        _, waits = await codes(server, "Sending", "Queued")
        assert "1 attempt is in progress" in waits["message"]


async def test_a_push_that_waits_for_the_rate_limit_says_when_it_may_start(tmp_path: Path) -> None:
    slow = RateLimit(requests=1, per=600.0)
    async with open_sink() as sink, serving(tmp_path, given(sink, rate_limit=slow)) as server:
        await post(server, 1, 2)
        _, waits = await codes(server, "Delivered", "RateLimited")
        assert waits["nextAt"] > waits["since"]


async def test_a_refused_push_and_one_that_was_never_tried_say_why_they_are_dead(tmp_path: Path) -> None:
    async def picky(arrival: Arrival) -> int:
        return 422 if arrival.mark == 1 else 200

    quick = Retry(schedule=(0.01,), max_age=3600.0, jitter=0.0)
    async with open_sink(picky) as sink, serving(tmp_path, given(sink, retry=quick)) as server:
        await post(server, 1)
        await until_found(lambda: listed(server), lambda pushes: pushes[0]["tries"] > 0)
        for mark in range(2, 12):
            await post(server, mark)
        await codes(server, "Refused", *["Delivered"] * 10)


async def test_an_update_without_a_push_says_that_nothing_accepted_it(tmp_path: Path) -> None:
    async with open_sink() as sink:
        lonely = msgspec.structs.replace(given(sink), accounts=(account(Aggregator.CLICKPOST, "k", destinations=()),))
        async with serving(tmp_path, lonely) as server:
            await post(server, 1)
            awb = msgspec.json.decode(body("clickpost", mark=1, shipment=1, second=1))["waybill"]
            _, story = await ask(server, "GET", f"/api/v1/shipments/{awb}")
            assert story["updates"][0]["why"]["code"] == "Filtered"


@EITHER_STORAGE
async def test_after_a_restart_the_reason_is_what_is_true_then(tmp_path: Path, storage: Storage) -> None:
    async with open_sink(fail) as sink:
        async with serving(tmp_path, given(sink, storage)) as server:
            await post(server, 1, 2, shipment=1)
            before = await codes(server, "RetryScheduled", "BehindEarlierPush")
        async with serving(tmp_path, given(sink, storage, suspended=True)) as server:
            await codes(server, "Suspended", "Suspended")
        async with serving(tmp_path, given(sink, storage)) as server:
            after = await codes(server, "RetryScheduled", "BehindEarlierPush")
            assert after[0]["nextAt"] == before[0]["nextAt"]
            assert after[1] == before[1]


async def test_the_role_view_gets_the_reason_without_the_endpoints_words(tmp_path: Path) -> None:
    tokens = role_tokens(tmp_path)
    async with (
        open_sink(fail) as sink,
        serving(tmp_path, given(sink), **tokens.options) as server,
    ):
        await post(server, 1)
        url, headers = (
            f"http://{server.admin_address}/api/v1/pushes",
            {"Authorization": f"Bearer {tokens.view.read_text()}"},
        )

        async def asked() -> Any:
            async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
                return await answer.json()

        page = await until_found(asked, lambda page: page["pushes"][0]["why"]["code"] == "RetryScheduled")
        assert "HTTP 503: •••" in page["pushes"][0]["why"]["message"]
        assert "ORA" not in msgspec.json.encode(page).decode()


@pytest.mark.postgres
async def test_a_push_that_another_replica_sends_says_what_the_journal_knows_or_names_the_replica(
    tmp_path: Path, journal_dsn: str
) -> None:
    storage = Postgres(dsn=journal_dsn)
    async with open_sink(fail) as sink, serving(tmp_path / "a", given(sink, storage)) as first:
        await post(first, 1, 2, shipment=1)
        before = await codes(first, "RetryScheduled", "BehindEarlierPush")
        async with serving(tmp_path / "b", given(sink, storage)) as second:
            await until(
                lambda: [held(server) for server in (first, second)] == [64, 64], seconds=30, what="two equal replicas"
            )
            other = first if second._ownership.holds("acme/push") else second
            await until(
                lambda: other._ownership.owner_of("acme/push") is not None,
                seconds=30,
                what="the next look at the slots",
            )
            found = await codes(other, "RetryScheduled", "BehindEarlierPush")
            assert found[1] == before[1]
            await post(other, 3)
            pushes = await until_found(lambda: listed(other), lambda pushes: len(pushes) == 3)
            owner = other._ownership.owner_of("acme/push")
            assert owner is not None
            why = pushes[2]["why"]
            assert why["code"] in {"OtherReplica", "RetryScheduled"}
            assert why["code"] == "RetryScheduled" or owner in why["message"]


def held(server: Server) -> int:
    """The number of slots for which it sends."""
    assert isinstance(server._ownership, Leases)
    return len(server._ownership._held)
