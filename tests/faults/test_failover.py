"""A standby that lacks the last seconds is promoted within a moment: what is accepted afterwards is pushed."""

import asyncio
import contextlib
import itertools
import time
from collections import defaultdict
from pathlib import Path

import pytest

from replicas.cluster import Feed, Replica
from support.cutting import Cutter
from support.deadline import until
from support.manifests import Client
from support.postgres import Server
from support.sink import open_sink

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
SHIPMENTS = 16


@pytest.mark.parametrize("count", [1, 2])
async def test_after_a_failover_that_lost_commits_everything_accepted_is_pushed_in_order_and_the_loss_is_reported(
    tmp_path: Path, own_postgres: Server, count: int
) -> None:
    primary, database = own_postgres, own_postgres.create_database()
    standby = await asyncio.to_thread(primary.standby)
    async with Cutter(primary.port).running() as address, open_sink() as sink, contextlib.AsyncExitStack() as stack:
        stack.callback(standby.remove)
        clients = [Client(name=f"client-{number}", url=sink.url) for number in range(4)]
        dsn = primary.dsn(database, port=address.port)
        replicas = [Replica(tmp_path, name, dsn, clients, ("--lease", "3s")) for name in "ab"[:count]]
        for replica in replicas:
            stack.push_async_callback(replica.server.close)
            await replica.start()
            await replica.server.until_ready()
        stop = asyncio.Event()
        feed = Feed(replicas, clients, shipments=SHIPMENTS, rate=60.0)
        posting = asyncio.create_task(feed.run(stop))

        async def more(updates: int) -> None:
            wanted = len(feed.accepted) + updates
            await until(
                lambda: len(feed.accepted) >= wanted,
                seconds=60,
                what=lambda: "\n".join(r.server.tail(9) for r in replicas),
            )

        await more(60)
        await asyncio.to_thread(standby.sql, "ALTER SYSTEM SET primary_conninfo = ''")
        await asyncio.to_thread(standby.sql, "SELECT pg_reload_conf()")
        await until(
            lambda: standby.sql("SELECT count(*) FROM pg_stat_wal_receiver") == "0", seconds=30, what="no stream"
        )
        await more(100)
        await asyncio.to_thread(standby.promote)
        address.move(standby.port)
        await more(2 * SHIPMENTS)  # answers of the old primary may still be on their way
        moved_at = time.monotonic()
        await more(200)
        stop.set()
        await asyncio.wait_for(posting, 60)
        afterwards = {mark for mark, at in feed.accepted.items() if at > moved_at}
        await until(
            lambda: afterwards <= sink.marks,
            seconds=60,
            what=lambda: f"{len(afterwards - sink.marks)} of {len(afterwards)} accepted afterwards are stuck",
        )
        pending = "SELECT count(*) FROM trackpush.undelivered WHERE state = 0"
        await until(lambda: standby.sql(pending, database=database) == "0", seconds=30, what="nothing is pending")
        told = [
            line for replica in replicas for line in replica.server.log if line.get("event") == "journal_lost_commits"
        ]
        assert any(line["updates"] for line in told), "nobody told what was lost"
        metrics = [(await replica.server.probe("/metrics")).text for replica in replicas]
        assert any("trackpush_journal_losses_total 1.0" in text for text in metrics)
        first = dict.fromkeys(arrival.mark for arrival in sink.arrivals if arrival.mark in afterwards)
        shipments: dict[int, list[int]] = defaultdict(list)
        for mark in first:
            assert mark is not None
            shipments[mark % SHIPMENTS].append(mark)
        wrong = [pair for marks in shipments.values() for pair in itertools.pairwise(marks) if pair[0] > pair[1]]
        assert not wrong, f"pushed out of order: {wrong[:5]}"
