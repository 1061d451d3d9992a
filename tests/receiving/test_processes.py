"""Receiving processes that die, hang, drain and reload, under load: no false 200, nothing lost, order kept."""

import asyncio
import contextlib
import os
import random
import signal
from collections import defaultdict
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

import aiohttp
import pytest

from support.bodies import body
from support.deadline import until
from support.load import Aggregator, Pace, open_aggregator, stream
from support.manifests import Client, write
from support.server import ServerProcess, running
from support.serving import HeldSource, account, serving, table
from support.sink import Arrival, Sink, open_sink
from trackpush_api.routing import Sqlite, Storage
from trackpush_api.vocabulary import Aggregator as Kind
from trackpush_runtime.errors import CannotStartError
from trackpush_server.config.source import Loaded
from trackpush_server.options import ServeOptions
from trackpush_server.receiving import child, supervisor
from trackpush_server.receiving.supervisor import Supervisor
from trackpush_server.server import Server

RECEIVERS = ("--receivers", "2")
PACE = Pace(rate=200, shipments=64, workers=32)
KILLS = 3
IN_POSTGRES = {"storage": {"postgres": {"dsnSecretRef": {"name": "db", "key": "dsn"}}}}
LEASE = 2.0
"""Seconds; with PostgreSQL, whoever comes after a killed server waits for it."""
PATIENCE = 60.0


def alive(pids: Sequence[int]) -> list[int]:
    return [pid for pid in pids if Path(f"/proc/{pid}").exists() and not zombie(pid)]


def zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


async def all_arrive(aggregator: Aggregator, sink: Sink) -> None:
    await until(
        lambda: aggregator.accepted <= sink.marks,
        seconds=PATIENCE,
        what=lambda: f"{len(aggregator.accepted - sink.marks)} of {len(aggregator.accepted)} accepted are lost",
    )


def assert_in_order(arrivals: Sequence[Arrival]) -> None:
    """First arrivals of a shipment come in the order of its updates."""
    shipments: dict[int, list[int]] = defaultdict(list)
    for mark in dict.fromkeys(arrival.mark for arrival in arrivals if arrival.mark is not None):
        shipments[mark % PACE.shipments].append(mark)
    assert all(marks == sorted(marks) for marks in shipments.values())
    assert not [arrival for arrival in arrivals if b'"late":true' in arrival.body], "in order, but pushed as late"


async def more_accepted(aggregator: Aggregator, count: int) -> None:
    before = len(aggregator.accepted)
    await until(lambda: len(aggregator.accepted) >= before + count, seconds=PATIENCE, what="load")


async def until_metric(server: ServerProcess, name: str, value: float) -> None:
    end = asyncio.get_running_loop().time() + PATIENCE
    while f"\n{name} {value:.1f}\n" not in (text := (await server.probe("/metrics")).text):
        assert asyncio.get_running_loop().time() < end, text
        await asyncio.sleep(0.05)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_receivers_killed_under_load_are_replaced_and_lose_repeat_and_reorder_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("TRACKPUSH_SEED", random.SystemRandom().randrange(2**32)))
    print(f"seed: TRACKPUSH_SEED={seed}")  # noqa: T201  pytest shows it when the test fails
    rng = random.Random(seed)  # noqa: S311  moments, not secrets
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        async with (
            running(write(tmp_path / "resources", [client]), tmp_path / "data", arguments=RECEIVERS) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            stop = asyncio.Event()
            posting = asyncio.create_task(stream(aggregator, PACE, stop=stop, resend=lambda _: True))
            for kills in range(1, KILLS + 1):
                await more_accepted(aggregator, 50)
                os.kill(rng.choice(server.children), signal.SIGKILL)
                await until_metric(server, "trackpush_receiver_restarts_total", kills)
                assert (await server.probe("/readyz")).status == 200, "the other one takes requests"
                await until_metric(server, "trackpush_receivers_accepting", 2)
            stop.set()
            await posting
            await all_arrive(aggregator, sink)
            assert server.logged("receiver_ended") is not None
            assert await server.terminate() == 0, server.tail()
    assert len(sink.arrivals) == len(sink.marks), "a receiver's death repeats no push"
    assert_in_order(sink.arrivals)


@pytest.mark.parametrize(
    ("storage", "whole_group"),
    [
        pytest.param("sqlite", True, id="sqlite-all"),
        pytest.param("sqlite", False, id="sqlite-main", marks=pytest.mark.long),
        pytest.param("postgres", True, id="postgres-all", marks=pytest.mark.long),
        pytest.param("postgres", False, id="postgres-main", marks=pytest.mark.long),
    ],
    indirect=["storage"],
)
@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_no_200_is_false_and_no_order_lost_when_processes_are_killed_at_once_under_load(
    tmp_path: Path, storage: Storage, *, whole_group: bool
) -> None:
    settings, dsn = ({}, None) if isinstance(storage, Sqlite) else (IN_POSTGRES, storage.dsn)
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        resources = write(tmp_path / "resources", [client], settings, dsn=dsn)
        async with (
            running(resources, tmp_path / "data", arguments=(*RECEIVERS, "--lease", f"{LEASE:g}s")) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            stop = asyncio.Event()
            posting = asyncio.create_task(stream(aggregator, PACE, stop=stop, resend=lambda post: post.mark % 2 == 0))
            for _ in range(KILLS):
                await more_accepted(aggregator, 100)
                receivers = server.children
                for pid in receivers if whole_group else ():
                    os.kill(pid, signal.SIGKILL)
                await server.kill()
                await until(lambda pids=receivers: not alive(pids), seconds=PATIENCE, what="the receivers' end")  # type: ignore[misc]
                await server.start()
            stop.set()
            await posting
            await all_arrive(aggregator, sink)
            assert await server.terminate() == 0, server.tail()
    assert all(len({arrival.webhook_id for arrival in found}) == 1 for found in sink.by_mark().values())
    assert_in_order(sink.arrivals)


async def test_receivers_end_with_the_main_process_and_say_503_for_what_they_do_not_know(tmp_path: Path) -> None:
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        async with (
            running(write(tmp_path / "resources", [client]), tmp_path / "data", arguments=RECEIVERS) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            receivers = server.children
            os.kill(server.pid, signal.SIGSTOP)
            posting = [asyncio.create_task(aggregator.post(mark)) for mark in range(16)]
            done, _ = await asyncio.wait(posting, timeout=0.5)
            assert not done, "an answer although the main process has said nothing"
            await server.kill()
            posts = await asyncio.gather(*posting)
            await until(lambda: not alive(receivers), seconds=PATIENCE, what="the receivers' end")
            assert {post.status for post in posts} == {503}
            assert {post.retry_after for post in posts} == {"30"}
            await server.start()
            assert (await aggregator.post(99)).status == 200
            await all_arrive(aggregator, sink)


@pytest.mark.parametrize("whole_group", [False, True], ids=["main", "all"])
async def test_a_signal_drains_all_and_what_is_under_way_is_answered(tmp_path: Path, *, whole_group: bool) -> None:
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        async with (
            running(write(tmp_path / "resources", [client]), tmp_path / "data", arguments=RECEIVERS) as server,
            open_aggregator(server.url, client) as aggregator,
        ):
            stop = asyncio.Event()
            posting = asyncio.create_task(stream(aggregator, PACE, stop=stop, resend=lambda _: False))
            await until(lambda: len(sink.marks) >= 50, seconds=PATIENCE, what="a load under way")
            receivers = server.children
            for pid in receivers if whole_group else ():
                os.kill(pid, signal.SIGTERM)
            assert await server.terminate(seconds=PATIENCE) == 0, server.tail()
            assert not alive(receivers)
            stop.set()
            await posting
            assert {post.status for post in aggregator.posts} <= {200, None}, "refused although it drains"
            assert "Traceback" not in server.tail()
            await server.start()
            await all_arrive(aggregator, sink)
    assert len(sink.arrivals) == len(sink.marks)


async def test_two_updates_of_a_shipment_through_different_processes_stay_in_order(tmp_path: Path) -> None:
    async with open_sink() as sink:
        client = Client(name="acme", url=sink.url)
        async with running(write(tmp_path / "resources", [client]), tmp_path / "data", arguments=RECEIVERS) as server:
            for mark in range(0, 40 * PACE.shipments, PACE.shipments):
                async with open_aggregator(server.url, client) as aggregator:  # a connection of its own
                    assert (await aggregator.post(mark, shipment=0)).status == 200
            await until(lambda: len(sink.marks) == 40, seconds=PATIENCE, what="the pushes")
    assert_in_order(sink.arrivals)


def receivers_of(server: Server) -> Supervisor:
    assert isinstance(server._receiving, Supervisor)
    return server._receiving


async def replaced(server: Server, count: int) -> None:
    """Kill all receiving processes of a server and wait until others take requests."""
    receivers = receivers_of(server)
    before = {receiver.pid for receiver in receivers._running()}
    for receiver in receivers._running():
        receiver.kill()
    await until(
        lambda: receivers.count == count and before.isdisjoint({receiver.pid for receiver in receivers._running()}),
        seconds=PATIENCE,
        what="new processes",
    )


async def _status(client: aiohttp.ClientSession, server: Server, key: str) -> int:
    url = f"http://{server.address}/rms/in/api/clickpost/notify"
    content = body("clickpost", mark=1, shipment=1, second=1)
    async with client.post(url, data=content, headers={"x-api-key": key}) as answer:
        await answer.read()
        return answer.status


async def _admin(client: aiohttp.ClientSession, server: Server, path: str) -> str:
    async with client.get(f"http://{server.admin_address}{path}") as answer:
        return await answer.text()


async def _until_admin(client: aiohttp.ClientSession, server: Server, path: str, *, says: str) -> None:
    end = asyncio.get_running_loop().time() + PATIENCE
    while says not in (text := await _admin(client, server, path)):
        assert asyncio.get_running_loop().time() < end, text
        await asyncio.sleep(0.02)


async def test_a_table_is_reported_when_every_process_serves_it_and_a_new_process_has_it_too(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    source = HeldSource(table(account(Kind.CLICKPOST, "old")))
    async with serving(tmp_path, source=source, receivers=2) as server:
        new = table(account(Kind.CLICKPOST, "new"))
        source.loaded = Loaded(table=new)
        await _until_admin(client, server, "/config", says=new.revision)
        # Each request has its own connection: that all of twenty meet the same process happens once in 500,000 runs.
        assert {await _status(client, server, "old") for _ in range(20)} == {401}
        assert {await _status(client, server, "new") for _ in range(20)} == {200}
        await replaced(server, 2)
        assert {await _status(client, server, "new") for _ in range(20)} == {200}


async def test_a_process_that_hangs_is_replaced_and_ready_is_honest_meanwhile(
    tmp_path: Path, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, log: StringIO
) -> None:
    monkeypatch.setattr(supervisor, "_LOOK", 0.2)
    monkeypatch.setattr(supervisor, "_RESTART_DELAYS", (2.0,))
    async with serving(tmp_path, receivers=1) as server:
        [hanging] = receivers_of(server)._running()
        assert hanging.pid is not None
        os.kill(hanging.pid, signal.SIGSTOP)
        await until(lambda: "receiver_ended" in log.getvalue(), seconds=PATIENCE, what=log.getvalue)
        assert "was silent for" in log.getvalue()
        assert "no process accepts requests" in await _admin(client, server, "/readyz")
        assert not alive([hanging.pid])
        await until(lambda: receivers_of(server).count == 1, seconds=PATIENCE, what=log.getvalue)
        assert '"ok":true' in await _admin(client, server, "/readyz")
        assert await _status(client, server, "right-key-of-clickpost") == 200


async def test_a_process_that_cannot_start_refuses_the_servers_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child, "_MODULE", "trackpush_server.no_such_module")
    resources = write(tmp_path / "resources", [Client(name="acme", url="http://127.0.0.1:1009/hook")])
    options = ServeOptions(
        folder=resources,
        listen=("127.0.0.1", 0),
        admin_listen=("127.0.0.1", 0),
        data=tmp_path / "data",
        receivers=2,
    )
    server = Server(options, source=HeldSource(table()))
    try:
        with pytest.raises(CannotStartError, match=r"--receivers 2: receiver \d ended with code 1"):
            await server.start()
    finally:
        await server.stop()


async def test_metrics_are_the_sums_over_all_processes_and_outlive_them(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    wanted = 'trackpush_ingest_requests_total{aggregator="clickpost",code="200"} '
    async with serving(tmp_path, receivers=2) as server:
        for _ in range(30):
            assert await _status(client, server, "right-key-of-clickpost") == 200
        await _until_admin(client, server, "/metrics", says=f"{wanted}30.0")
        await replaced(server, 2)
        assert f"{wanted}30.0" in await _admin(client, server, "/metrics")
        assert "trackpush_receivers_accepting 2.0" in await _admin(client, server, "/metrics")
        assert "trackpush_receiver_restarts_total 2.0" in await _admin(client, server, "/metrics")
