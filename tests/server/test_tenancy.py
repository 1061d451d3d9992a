"""A namespace that was deleted and created again is another client, in a running server as after a restart."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import aiohttp
import msgspec
import pytest

from support.bodies import body
from support.deadline import until
from support.postgres_fixtures import EITHER_STORAGE
from support.serving import HeldSource, account, serving, table
from support.sink import Sink, open_sink
from trackpush_api.routing import Destination, RoutingTable, Storage, Tenant
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.source import Loaded
from trackpush_server.server import Server

FIRST, SECOND = Tenant(uid="6f1c0000-0000-4000-8000-000000000001"), Tenant(uid="6f1c0000-0000-4000-8000-000000000002")
TAKES_OVER = Tenant(uid=SECOND.uid, takes_over=FIRST.uid)
URL = "/rms/in/api/clickpost/notify"


def of(tenant: Tenant | None, key: str, sink: Sink | None, storage: Storage, *others: RoutingTable) -> RoutingTable:
    """A table with client acme in this namespace object; without a sink, its PushConfig is missing."""
    webhook = msgspec.structs.replace(account(Aggregator.CLICKPOST, key), tenant=tenant)
    push = () if sink is None else (Destination(name="acme/push", url=sink.url, tenant=tenant),)
    more = [entry for other in others for entry in other.accounts]
    return table(webhook, *more, destinations=push, storage=storage)


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(30):
        while True:
            if await check():
                return
            await asyncio.sleep(0.02)


async def post(client: aiohttp.ClientSession, server: Server, key: str, mark: int) -> int:
    """Post an update of its own."""
    content = body("clickpost", mark=mark, shipment=mark, second=1)
    async with client.post(f"http://{server.address}{URL}", data=content, headers={"x-api-key": key}) as answer:
        await answer.read()
        return answer.status


async def served(client: aiohttp.ClientSession, server: Server, key: str, mark: int) -> None:
    """Post until a new table is served."""

    async def posted() -> bool:
        return await post(client, server, key, mark) == 200

    await eventually(posted)


async def waiting(server: Server) -> dict[str, int]:
    """Pending pushes by PushConfig."""
    return {entry.push_config: entry.count for entry in await server._journal.backlog.pending_counts()}


async def only_former_pushes_wait(server: Server) -> None:
    """Until the outcomes of all others are stored."""

    async def is_so() -> bool:
        return await waiting(server) == {f"acme@{FIRST.uid}/push": 1}

    await eventually(is_so)


@contextlib.asynccontextmanager
async def both_sinks() -> AsyncIterator[tuple[Sink, Sink]]:
    """The endpoints of two tenants."""
    async with open_sink() as first, open_sink() as second:
        yield first, second


@EITHER_STORAGE
async def test_pushes_of_a_deleted_namespace_are_not_sent_to_the_next_one(
    tmp_path: Path, client: aiohttp.ClientSession, storage: Storage
) -> None:
    async with both_sinks() as (first, second):
        source = HeldSource(of(FIRST, "first", None, storage))
        async with serving(tmp_path, source=source) as server:
            await served(client, server, "first", 1)
            source.loaded = Loaded(table=of(SECOND, "second", second, storage))
            await served(client, server, "second", 2)
            assert await post(client, server, "first", 3) == 401
            await until(lambda: second.marks == {2}, seconds=30, what=lambda: str(second.marks))
            await only_former_pushes_wait(server)
        async with serving(tmp_path, source=source) as server:
            await served(client, server, "second", 4)
            await until(lambda: second.marks == {2, 4}, seconds=30, what=lambda: str(second.marks))
        assert first.arrivals == []


@EITHER_STORAGE
async def test_a_namespace_that_was_replaced_while_no_server_ran_gets_nothing_of_the_former_one(
    tmp_path: Path, client: aiohttp.ClientSession, storage: Storage
) -> None:
    async with both_sinks() as (_, second):
        async with serving(tmp_path, source=HeldSource(of(FIRST, "first", None, storage))) as server:
            await served(client, server, "first", 1)
        async with serving(tmp_path, source=HeldSource(of(SECOND, "second", second, storage))) as server:
            await served(client, server, "second", 2)
            await until(lambda: second.marks == {2}, seconds=30, what=lambda: str(second.marks))
            await only_former_pushes_wait(server)


@EITHER_STORAGE
async def test_a_namespace_that_takes_over_gets_the_pushes_under_the_same_ids(
    tmp_path: Path, client: aiohttp.ClientSession, storage: Storage
) -> None:
    async with both_sinks() as (first, second):
        first.behaviour = _refuse
        source = HeldSource(of(FIRST, "first", first, storage))
        async with serving(tmp_path, source=source) as server:
            await served(client, server, "first", 1)
            await until(lambda: bool(first.arrivals), seconds=30, what="the first attempt")
            source.loaded = Loaded(table=of(SECOND, "second", second, storage))
            await served(client, server, "second", 2)
            await until(lambda: second.marks == {2}, seconds=30, what=lambda: str(second.marks))
            source.loaded = Loaded(table=of(TAKES_OVER, "second", second, storage))
            await until(lambda: second.marks == {1, 2}, seconds=30, what=lambda: str(second.marks))
        assert {entry.webhook_id for entry in second.by_mark()[1]} == {entry.webhook_id for entry in first.arrivals}


@EITHER_STORAGE
async def test_a_server_that_learns_uids_for_the_first_time_continues_with_what_is_stored(
    tmp_path: Path, client: aiohttp.ClientSession, storage: Storage
) -> None:
    async with open_sink() as sink:
        async with serving(tmp_path, source=HeldSource(of(None, "key", None, storage))) as server:
            await served(client, server, "key", 1)
        async with serving(tmp_path, source=HeldSource(of(FIRST, "key", sink, storage))) as server:
            await until(lambda: sink.marks == {1}, seconds=30, what="what was stored before")
            assert await post(client, server, "key", 1) == 200
        assert len(sink.arrivals) == 1


async def test_a_repeat_of_a_former_clients_update_is_new_to_the_next_client(
    tmp_path: Path, client: aiohttp.ClientSession, storage: Storage
) -> None:
    async with both_sinks() as (first, second):
        source = HeldSource(of(FIRST, "first", first, storage))
        async with serving(tmp_path, source=source) as server:
            await served(client, server, "first", 1)
            await until(lambda: first.marks == {1}, seconds=30, what="the former client's push")
            source.loaded = Loaded(table=of(SECOND, "second", second, storage))
            await served(client, server, "second", 1)
            await until(lambda: second.marks == {1}, seconds=30, what="the next client's push")
            assert await post(client, server, "second", 1) == 200
        assert len(second.arrivals) == 1
        assert second.arrivals[0].webhook_id != first.arrivals[0].webhook_id


async def test_a_new_namespace_is_held_back_with_503_while_the_journal_cannot_be_written(
    tmp_path: Path, client: aiohttp.ClientSession, storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with both_sinks() as (_, second):
        source = HeldSource(of(FIRST, "first", None, storage))
        async with serving(tmp_path, source=source) as server:
            await served(client, server, "first", 1)
            journal = server._journal
            monkeypatch.setattr(type(journal), "unavailable", property(lambda _: "the disk is full"))
            source.loaded = Loaded(table=of(SECOND, "second", second, storage))

            async def is_held_back() -> bool:
                return await post(client, server, "second", 2) == 503

            await eventually(is_held_back)
            assert second.arrivals == []
            monkeypatch.undo()
            await served(client, server, "second", 2)
            await until(lambda: second.marks == {2}, seconds=30, what=lambda: str(second.marks))


async def test_an_update_of_a_former_client_that_was_under_way_is_not_stored_for_the_next_one(
    tmp_path: Path, client: aiohttp.ClientSession, storage: Storage
) -> None:
    async with both_sinks() as (_, second):
        source = HeldSource(of(FIRST, "first", None, storage))
        async with serving(tmp_path, source=source) as server:
            await served(client, server, "first", 1)
            halves = _halves(body("clickpost", mark=7, shipment=7, second=1))
            asked, go_on = asyncio.Event(), asyncio.Event()

            async def slowly() -> AsyncIterator[bytes]:
                asked.set()  # the server has read the head, and with it the key
                yield halves[0]
                await go_on.wait()
                yield halves[1]

            headers = {"x-api-key": "first", "Content-Type": "application/json"}
            url = f"http://{server.address}{URL}"
            under_way = asyncio.ensure_future(_status(client.post(url, data=slowly(), headers=headers, expect100=True)))
            await asyncio.wait_for(asked.wait(), 30)
            source.loaded = Loaded(table=of(SECOND, "second", second, storage))
            await served(client, server, "second", 2)
            go_on.set()
            assert await under_way == 503
            await until(lambda: second.marks == {2}, seconds=30, what=lambda: str(second.marks))
            await only_former_pushes_wait(server)


def _halves(content: bytes) -> Sequence[bytes]:
    return content[: len(content) // 2], content[len(content) // 2 :]


async def _status(request: contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]) -> int:
    async with request as answer:
        return answer.status


async def _refuse(_: object) -> int:
    return 503
