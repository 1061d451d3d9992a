"""Replay and erase over the admin port of a real server: what is asked, refused, done, and shown of it."""

import asyncio
import contextlib
import hashlib
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web

from support.bodies import body
from support.deadline import until, until_found
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import account, serving, table
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import Destination, Retry, RoutingTable, Sqlite, Storage
from trackpush_api.vocabulary import Aggregator
from trackpush_server.operations import jobs, replays
from trackpush_server.server import Server

REPLAYS, ERASURES = "/api/v1/replays", "/api/v1/erasures"


async def ask(server: Server, method: str, path: str, request: object = None) -> tuple[int, Any]:
    url = f"http://{server.admin_address}{path}"
    async with aiohttp.ClientSession() as session, session.request(method, url, json=request) as answer:
        return answer.status, await answer.json()


async def ended(server: Server, kind: str, request: object) -> dict[str, Any]:
    """Start a job and wait for its end."""
    status, job = await ask(server, "POST", kind, request)
    assert status == 202, job
    while job["state"] == "running":
        status, job = await ask(server, "GET", f"{kind}/{job['id']}")
        assert status == 200
    return dict(job)


def given(sink: Sink, storage: Storage = Sqlite()) -> RoutingTable:  # noqa: B008  immutable
    accounts = [
        account(Aggregator.CLICKPOST, "k", destinations=["acme/push"]),
        account(Aggregator.CLICKPOST, "z", name="zeta/clickpost", destinations=["zeta/push"]),
    ]
    destinations = [Destination(name=name, url=sink.url) for name in ("acme/push", "zeta/push")]
    return table(*accounts, destinations=destinations, storage=storage)


async def post(server: Server, *marks: int, key: str = "k") -> None:
    """One update per mark, of a shipment of its own."""
    url = f"http://{server.address}/rms/in/api/clickpost/notify"
    async with aiohttp.ClientSession() as session:
        for mark in marks:
            content = body("clickpost", mark=mark, shipment=mark, second=1)
            async with session.post(url, data=content, headers={"x-api-key": key}) as answer:
                assert answer.status == 200


async def arrived(sink: Sink, count: int) -> None:
    await until(lambda: len(sink.arrivals) >= count, seconds=10, what=lambda: f"{len(sink.arrivals)} of {count}")


async def delivered(server: Server, count: int, **selection: str) -> None:
    """Wait until the journal says so."""
    request = {"states": ["delivered"], "dryRun": True, **(selection or {"client": "acme"})}
    await until_found(
        lambda: ended(server, REPLAYS, request),
        lambda job: job["found"].get("acme/push", {}).get("delivered", 0) >= count,
    )


@EITHER_STORAGE
async def test_a_dry_run_counts_and_sends_nothing_a_replay_sends_what_was_counted(
    tmp_path: Path, storage: Storage
) -> None:
    async with open_sink() as sink, serving(tmp_path, given(sink, storage)) as server:
        await post(server, 1, 2, 3)
        await post(server, 4, key="z")
        await delivered(server, 3)
        found = await ended(server, REPLAYS, {"client": "acme", "states": ["delivered"], "dryRun": True})
        assert (found["found"], found["replayed"], found["dryRun"]) == ({"acme/push": {"delivered": 3}}, 0, True)
        assert len(sink.arrivals) == 4
        done = await ended(server, REPLAYS, {"client": "acme", "states": ["delivered"]})
        assert (done["state"], done["replayed"]) == ("done", 3)
        await arrived(sink, 7)
        again = [arrival for arrival in sink.arrivals if "trackpush-replay" in arrival.headers]
        assert {arrival.mark for arrival in again} == {1, 2, 3}
        assert {arrival.webhook_id for arrival in again} == {
            arrival.webhook_id for arrival in sink.arrivals if arrival.mark in {1, 2, 3}
        }
        _, listed = await ask(server, "GET", REPLAYS)
        assert listed["replays"][0]["id"] == done["id"]


@EITHER_STORAGE
async def test_a_replay_by_id_or_awb_sends_that_one_alone(tmp_path: Path, storage: Storage) -> None:
    async with open_sink() as sink, serving(tmp_path, given(sink, storage)) as server:
        await post(server, 1, 2)
        await delivered(server, 2)
        first, second = sorted(sink.arrivals, key=lambda arrival: arrival.mark or 0)
        await ended(server, REPLAYS, {"ids": [first.webhook_id], "states": ["delivered"]})
        await arrived(sink, 3)
        awb = msgspec.json.decode(second.body)["shipment"]["awb"]
        await delivered(server, 1, awb=awb)
        await ended(server, REPLAYS, {"awb": awb, "states": ["delivered"]})
        await arrived(sink, 4)
        assert [arrival.mark for arrival in sink.arrivals[2:]] == [1, 2]


@EITHER_STORAGE
async def test_a_replay_of_a_time_range_takes_what_was_received_within_it_alone(
    tmp_path: Path, storage: Storage
) -> None:
    async with open_sink() as sink, serving(tmp_path, given(sink, storage)) as server:
        await post(server, 1, 2)
        await delivered(server, 2)
        between = datetime.now(UTC)
        await post(server, 3, 4, 5)
        await delivered(server, 5)
        after = datetime.now(UTC)
        wanted = {"client": "acme", "states": ["delivered"], "dryRun": True}
        for since, until_, count in ((None, between, 2), (between, after, 3), (after, None, 0), (None, None, 5)):
            limits = {"since": since and since.isoformat(), "until": until_ and until_.isoformat()}
            found = (await ended(server, REPLAYS, {**wanted, **limits}))["found"]
            assert found == ({"acme/push": {"delivered": count}} if count else {}), limits
        await ended(server, REPLAYS, {**wanted, "dryRun": False, "until": between.isoformat()})
        await arrived(sink, 7)
        assert sorted(arrival.mark or 0 for arrival in sink.arrivals[5:]) == [1, 2]


async def test_a_replay_shows_how_far_it_is_while_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "STEP", 2)
    gate, steps = asyncio.Event(), itertools.count(1)
    async with open_sink() as sink, serving(tmp_path, given(sink)) as server:
        await post(server, *range(7))
        await delivered(server, 7)
        journal_replay = server._journal.replays.replay

        async def replay(*ids: Any, **times: Any) -> int:
            if next(steps) == 3:
                await gate.wait()
            return await journal_replay(*ids, **times)

        monkeypatch.setattr(server._journal.replays, "replay", replay)
        _, job = await ask(server, "POST", REPLAYS, {"client": "acme", "states": ["delivered"]})
        while job["found"] != {"acme/push": {"delivered": 6}}:
            _, job = await ask(server, "GET", f"{REPLAYS}/{job['id']}")
        assert (job["state"], job["replayed"]) == ("running", 4)
        gate.set()
        while job["state"] == "running":
            _, job = await ask(server, "GET", f"{REPLAYS}/{job['id']}")
        assert (job["state"], job["replayed"]) == ("done", 7)
        await arrived(sink, 14)


@pytest.mark.parametrize(
    ("path", "request_", "told"),
    [
        (REPLAYS, {}, "name what to replay: ids, awb, client, pushConfig or errors"),
        (REPLAYS, {"ids": ["nonsense"]}, "not a push id: 'nonsense'"),
        (REPLAYS, {"client": "acme", "states": ["pending"]}, "Invalid enum value 'pending' - at `$.states[0]`"),
        (REPLAYS, {"client": "acme", "sinse": "2h"}, "unknown field `sinse`"),
        (REPLAYS, {"client": "acme", "since": "2h"}, "Invalid RFC3339"),
        (ERASURES, {}, "name the data to erase: awb or client"),
        (ERASURES, {"awb": ""}, "Expected `str` of length >= 1"),
    ],
)
async def test_a_request_that_selects_nothing_sensible_is_refused_and_says_why(
    tmp_path: Path, path: str, request_: object, told: str
) -> None:
    async with serving(tmp_path) as server:
        status, answer = await ask(server, "POST", path, request_)
        assert status == 400
        assert told in answer["detail"]


async def test_too_many_jobs_and_unknown_ones_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_RUNNING", 0)
    async with serving(tmp_path) as server:
        status, answer = await ask(server, "POST", REPLAYS, {"client": "acme"})
        assert (status, answer["detail"]) == (429, "0 jobs are running; wait until one of them ends, or cancel one")
        for method, path in (("GET", f"{REPLAYS}/no"), ("DELETE", f"{REPLAYS}/no"), ("GET", f"{ERASURES}/no")):
            assert (await ask(server, method, path))[0] == 410


async def test_a_replay_under_way_can_be_ended(tmp_path: Path) -> None:
    async with open_sink() as sink, serving(tmp_path, given(sink)) as server:
        _, job = await ask(server, "POST", REPLAYS, {"client": "acme"})
        status, job = await ask(server, "DELETE", f"{REPLAYS}/{job['id']}")
        assert (status, job["state"] in {"cancelled", "done"}) == (200, True)
        assert job["endedAt"] is not None


async def test_an_erased_awb_is_in_no_file_and_its_record_says_when_and_why_but_not_which(tmp_path: Path) -> None:
    async with open_sink() as sink, serving(tmp_path, given(sink)) as server:
        await post(server, 1, 2)
        await delivered(server, 2)
        awb = next(
            msgspec.json.decode(arrival.body)["shipment"]["awb"] for arrival in sink.arrivals if arrival.mark == 1
        )
        assert files_with(tmp_path, awb)
        done = await ended(server, ERASURES, {"awb": awb, "reason": "request 4711"})
        assert (done["state"], done["updates"]) == ("done", 1)
        assert files_with(tmp_path, awb) == []
        _, answer = await ask(server, "GET", ERASURES)
        (record,) = answer["erasures"]
        digest = hashlib.sha256(awb.encode()).hexdigest()
        assert (record["subject"], record["reason"], record["pushes"]) == (f"awb sha256:{digest}", "request 4711", 1)
        assert record["endedAt"] is not None
        await post(server, 1)  # the aggregator tries once more
        assert (await ended(server, REPLAYS, {"client": "acme", "states": ["delivered"]}))["replayed"] == 1
        await arrived(sink, 3)
        assert sink.arrivals[-1].mark == 2


async def test_a_client_is_erased_and_no_other(tmp_path: Path) -> None:
    async with open_sink() as sink, serving(tmp_path, given(sink)) as server:
        await post(server, 1, 2)
        await post(server, 3, key="z")
        await delivered(server, 2)
        assert (await ended(server, ERASURES, {"client": "acme"}))["updates"] == 2
        await arrived(sink, 3)
        other = next(
            msgspec.json.decode(arrival.body)["shipment"]["awb"] for arrival in sink.arrivals if arrival.mark == 3
        )
        assert files_with(tmp_path, other)


def files_with(folder: Path, text: str) -> list[str]:
    return [path.name for path in (folder / "data").iterdir() if text.encode() in path.read_bytes()]


@EITHER_STORAGE
async def test_a_replay_can_be_of_one_class_of_errors_and_of_a_time_of_death(tmp_path: Path, storage: Storage) -> None:
    statuses = {"acme/broken": 500, "acme/busy": 503}
    async with contextlib.AsyncExitStack() as stack:
        sinks = {
            name: await stack.enter_async_context(open_sink(_answering(status))) for name, status in statuses.items()
        }
        wanted = table(
            account(Aggregator.CLICKPOST, "k", destinations=sorted(sinks)),
            destinations=[
                Destination(name=name, url=sink.url, retry=Retry(schedule=(60.0,), max_age=30.0))
                for name, sink in sorted(sinks.items())
            ],
            storage=storage,
        )
        server = await stack.enter_async_context(serving(tmp_path, wanted))
        await post(server, 1)

        async def found(**selection: object) -> dict[str, Any]:
            return dict((await ended(server, REPLAYS, {**selection, "dryRun": True}))["found"])

        both = {"acme/broken": {"dead": 1}, "acme/busy": {"dead": 1}}
        await until_found(lambda: found(client="acme"), lambda seen: seen == both)
        assert await found(errors=["503"]) == {"acme/busy": {"dead": 1}}
        assert await found(errors=["5xx"]) == both
        assert await found(client="acme", errors=["4xx", "timeout"]) == {}
        assert await found(client="acme", endedSince="2020-01-01T00:00:00Z") == both
        assert await found(client="acme", endedUntil="2020-01-01T00:00:00Z") == {}
        status, answer = await ask(
            server, "POST", REPLAYS, {"client": "acme", "states": ["filtered"], "errors": ["5xx"]}
        )
        assert (status, "can't be combined" in answer["detail"]) == (400, True)


def _answering(status: int) -> Callable[[Arrival], Awaitable[web.Response]]:
    async def answer(_: Arrival) -> web.Response:
        return web.Response(status=status, text="no")

    return answer
