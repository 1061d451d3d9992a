"""The benchmark's tools measure what they say: a wrong tool would make every figure of docs/benchmarks.md wrong."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

import cores
import filling
import fleet
import procstat
from journal.stores import page_of
from records import PostLog, PushLog
from rig import Rig
from stats import (
    Figures,
    VoidError,
    answer_times,
    check_accepted,
    check_exactly_once,
    median_figures,
    push_delays,
    quantile,
)
from support.load import open_aggregator

Handler = Callable[[web.Request], Awaitable[web.Response]]


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(folder=tmp_path / "work", pinned=False, aggregator="clickpost")


async def _load_against(handler: Handler, rig: Rig, **settings: float) -> PostLog:
    application = web.Application()
    application.router.add_post("/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return await rig.load(runner.addresses[0][1], [rig.client("acme", 1)], **settings)
    finally:
        await runner.cleanup()


async def test_the_open_loop_counts_latency_from_when_each_request_was_due(rig: Rig) -> None:
    stall_until = 0.0

    async def stalls_once(request: web.Request) -> web.Response:
        nonlocal stall_until
        await request.read()
        stall_until = stall_until or time.monotonic() + 0.4
        await asyncio.sleep(max(0.0, stall_until - time.monotonic()))
        return web.Response()

    posts = await _load_against(stalls_once, rig, rate=200, seconds=1, connections=1)
    check_accepted(posts)
    assert len(posts.sent) == 201, "one at the begin and 200 steps later"
    times = answer_times(posts)
    assert max(times) >= 390
    # 80 requests fell due during the stall, evenly; a client that waits for its answers would report one slow request.
    assert sum(1 for seconds in times if seconds > 50) >= 60


async def test_every_request_has_its_own_shipment_and_mark(rig: Rig) -> None:
    bodies = []

    async def keep(request: web.Request) -> web.Response:
        bodies.append(json.loads(await request.read()))
        return web.Response()

    posts = await _load_against(keep, rig, seconds=5, count=50, connections=3, first=7)
    check_accepted(posts)
    assert len({body["waybill"] for body in bodies}) == 50
    assert {int(body["remark"][-10:]) for body in bodies} == set(range(7, 57))


async def test_bodies_are_as_long_as_asked_and_well_formed(rig: Rig) -> None:
    bodies = []

    async def keep(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.Response()

    check_accepted(await _load_against(keep, rig, seconds=5, count=3, connections=1))
    check_accepted(await _load_against(keep, rig, seconds=5, count=3, connections=1, padding=65_000))
    assert {len(body) for body in bodies[3:]} == {len(bodies[0]) + 65_000}
    assert all(json.loads(body)["waybill"] for body in bodies)


async def test_several_servers_get_the_connections_in_turn(rig: Rig) -> None:
    async with rig.sink(["ok", "ok"]) as sink:
        check_accepted(await rig.load(sink.ports, [rig.client("acme", 1)], seconds=0.5, rate=80, connections=4))
        log = await sink.stop()
    connections = set(zip(log.endpoint, log.connection, strict=True))
    assert Counter(endpoint for endpoint, _ in connections) == {0: 2, 1: 2}


@pytest.mark.usefixtures("root")
def test_a_small_core_bounds_a_process() -> None:
    if not cores.can_be_sized():
        pytest.skip("needs root and the cpu controller of cgroup v1")
    burn = "import time\nend = time.monotonic() + 1\nwhile time.monotonic() < end: pass\nprint(time.process_time())"
    waits = f"input()\n{burn}"
    with (
        subprocess.Popen([sys.executable, "-c", waits], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child,
        cores.sized(0.2, [child.pid]),
    ):
        used, _ = child.communicate(b"\n", timeout=30)
    assert float(used) < 0.5
    assert not list(Path("/sys/fs/cgroup/cpu").glob(f"trackpush-bench-{os.getpid()}-*"))


async def test_a_filled_journal_holds_what_a_server_would_have_stored(tmp_path: Path) -> None:
    with fleet.place(tmp_path / "work", "sqlite") as where:
        await filling.fill(where.journal(), 450, now=1_700_000_000_000)
        journal = where.journal()
        await journal.start()
        try:
            (waiting,) = await journal.backlog.pending_counts()
            page = await page_of(journal, filling.WAITING, after=0, limit=500)
        finally:
            await journal.close()
    assert (waiting.push_config, waiting.count) == (filling.WAITING, 450)
    assert len({push.shipment for push in page.pushes}) == 450
    assert json.loads(page.pushes[0].notification)["type"] == "shipment.in_transit"


async def test_a_run_with_refused_requests_is_void(rig: Rig) -> None:
    async def refuse(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=503)

    posts = await _load_against(refuse, rig, seconds=5, count=5, connections=1)
    with pytest.raises(VoidError, match="503: 5"):
        check_accepted(posts)


async def test_the_sink_fails_first_hangs_crawls_and_refuses_as_told(rig: Rig) -> None:
    async with rig.sink(["ok", "fail:1", "slow:200", "hang", "dead"]) as sink:
        statuses = [await _post(rig, port) for port in sink.ports]
        again = await _post(rig, sink.ports[1])
        assert await sink.until(3, seconds=2)
        log = await sink.stop()
    assert statuses == [200, 503, 200, None, None]
    assert again == 200
    assert list(log.endpoint) == [0, 1, 2, 3, 1]
    assert list(log.mark) == [5, 5, 5, 5, 5]


async def _post(rig: Rig, port: int) -> int | None:
    async with open_aggregator(f"http://127.0.0.1:{port}", rig.client("acme", 1)) as aggregator:
        try:
            async with asyncio.timeout(1):
                return (await aggregator.post(5)).status
        except TimeoutError:
            return None


def _pushes(*marks: int) -> PushLog:
    log = PushLog()
    for at, mark in enumerate(marks):
        log.arrived.append((at + 1) * 1_000_000)
        log.mark.append(mark)
        log.webhook_id.append(mark)
        log.endpoint.append(0)
        log.connection.append(1)
    return log


@pytest.mark.parametrize(
    ("marks", "message"), [((1, 3), "1 never arrived"), ((1, 2, 3, 2), "1 arrived more than once")]
)
def test_a_run_that_lost_or_repeated_a_push_is_void(marks: tuple[int, ...], message: str) -> None:
    with pytest.raises(VoidError, match=message):
        check_exactly_once(range(1, 4), _pushes(*marks))


def test_delays_count_from_the_answer_and_from_when_the_post_was_due() -> None:
    posts = PostLog()
    for intended, answered in ((0, 500_000), (100_000, 3_000_000)):
        posts.intended.append(intended)
        posts.sent.append(intended)
        posts.answered.append(answered)
        posts.status.append(200)
    delays = push_delays(posts, 10, _pushes(10, 11, 10, 99))
    assert delays.from_answer == [0.5, -1.0]
    assert delays.whole == [1.0, 1.9]


def test_logs_survive_their_file(tmp_path: Path) -> None:
    log = _pushes(4, 5, 6)
    log.save(tmp_path / "log")
    copy = PushLog()
    copy.read(tmp_path / "log")
    assert (copy.mark, copy.arrived, copy.connection) == (log.mark, log.arrived, log.connection)


def test_the_quantile_is_a_value_that_was_measured() -> None:
    assert quantile(range(100), 0.99) == 99
    assert quantile([3, 1, 2], 0.5) == 2


def test_a_median_of_rounds_keeps_absent_figures_absent() -> None:
    rounds = [Figures(throughput=n, answer_p50=n, answer_p99=n, answer_max=n, cpu_per_10k=n) for n in (3.0, 1.0, 2.0)]
    middle = median_figures(rounds)
    assert (middle.throughput, middle.cpu_per_10k, middle.push_p99) == (2.0, 2.0, None)


def test_cpu_is_reported_of_each_process_by_itself() -> None:
    found = procstat.by_process(os.getpid())
    assert found[os.getpid()] > 0


async def test_usage_covers_the_children_of_a_process() -> None:
    before = procstat.usage(os.getpid())
    burn = "import time\nwhile time.process_time() < 0.3: pass\nprint(flush=True); input()"
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", burn, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert child.stdout is not None
    await child.stdout.readline()
    during = procstat.usage(os.getpid())
    await child.communicate(b"\n")
    assert during.cpu_seconds - before.cpu_seconds >= 0.25
    assert during.mib > before.mib
