"""A changed source takes effect within a second, between two requests; a broken one changes nothing."""

import asyncio
import json
import time
from io import StringIO
from pathlib import Path

import aiohttp

from support.bodies import body
from support.deadline import until
from support.serving import HeldSource, account, serving, table
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.source import Loaded

OLD = table(account(Aggregator.CLICKPOST, "always", name="a/a"), account(Aggregator.CLICKPOST, "old", name="b/b"))
NEW = table(account(Aggregator.CLICKPOST, "always", name="a/a"), account(Aggregator.CLICKPOST, "new", name="b/b"))


async def _status(client: aiohttp.ClientSession, address: str, key: str, mark: int = 1) -> int:
    content = body("clickpost", mark=mark, shipment=mark, second=1)
    url = f"http://{address}/rms/in/api/clickpost/notify"
    async with client.post(url, data=content, headers={"x-api-key": key}) as answer:
        await answer.read()
        return answer.status


async def test_a_new_table_is_served_soon_and_no_request_is_dropped(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    source = HeldSource(OLD)
    async with serving(tmp_path, source=source) as server:
        stop = asyncio.Event()

        async def post(worker: int) -> set[int]:
            found = set()
            mark = worker
            while not stop.is_set():
                found.add(await _status(client, server.address, "always", mark))
                mark += 8
            return found

        posting = [asyncio.create_task(post(worker)) for worker in range(8)]
        assert await _status(client, server.address, "new") == 401
        started = time.monotonic()
        source.loaded = Loaded(table=NEW)
        while await _status(client, server.address, "new") != 200:
            assert time.monotonic() - started < 30, "the new table is served"
        assert await _status(client, server.address, "old") == 401
        stop.set()
        answers = await asyncio.gather(*posting)

    assert set.union(*answers) == {200}


async def test_a_broken_source_is_reported_and_the_last_good_table_stays(
    tmp_path: Path, client: aiohttp.ClientSession, log: StringIO
) -> None:
    source = HeldSource(OLD)
    async with serving(tmp_path, source=source) as server:

        async def config() -> dict[str, object]:
            async with client.get(f"http://{server.admin_address}/config") as answer:
                found: dict[str, object] = await answer.json()
                return found

        for broken, says in (
            (Loaded(table=None, problems=("a.yaml:3: wrong",)), "a.yaml:3: wrong"),
            (PermissionError("no entry"), "held by the test: can't be read: no entry; make it readable"),
        ):
            source.loaded = broken
            await until(lambda: log.getvalue().count("routing_table_refused") == 1, seconds=2, what="the report")
            assert (await config())["problems"] == [says]
            assert (await config())["revision"] == OLD.revision
            assert await _status(client, server.address, "old") == 200
            log.truncate(0)
            source.loaded = Loaded(table=OLD)
            await until(lambda: "routing_table_repaired" in log.getvalue(), seconds=2, what="the end of the trouble")
            assert not (await config())["problems"]


async def test_what_is_seen_for_a_moment_only_is_not_taken(tmp_path: Path, log: StringIO) -> None:
    source = HeldSource(OLD)
    async with serving(tmp_path, source=source):
        looks, look = 0, source.fingerprint

        def fingerprint() -> object:
            nonlocal looks
            looks += 1
            # Twice in the middle of a write (a look, and the look after a hasty load), then as it was meant.
            source.loaded = half if looks <= 2 else final
            return look()

        half, final = Loaded(table=None, problems=("empty",)), Loaded(table=NEW)
        source.fingerprint = fingerprint  # type: ignore[method-assign,assignment]
        await until(
            lambda: json.loads(log.getvalue().splitlines()[-1]).get("revision") == NEW.revision, seconds=2, what="NEW"
        )

    assert "routing_table_refused" not in log.getvalue()
