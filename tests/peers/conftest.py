"""A real server and real endpoints for what other webhook servers lack."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from support.bodies import body
from support.deadline import until
from support.serving import HeldSource, account, serving, table
from support.sink import Arrival, Behaviour, Sink, accept, open_sink
from trackpush_api.aggregators import profile
from trackpush_api.routing import Account, Destination, Retention, Retry, RoutingTable
from trackpush_api.vocabulary import Aggregator
from trackpush_server.config.source import Loaded
from trackpush_server.pusher import breaker
from trackpush_server.server import Server

QUICK = Retry(schedule=(0.05,), max_age=60.0, jitter=0.0)


class Place:
    """One server with the client ``acme`` (key ``k``), whose pushes go to one endpoint."""

    def __init__(self, server: Server, sink: Sink, source: HeldSource, folder: Path) -> None:
        self.server = server
        self.sink = sink
        self.folder = folder
        self._source = source

    async def configure(self, *accounts: Account, **fields: Any) -> None:
        """Serve the client with these fields of its PushConfig from now on."""
        made = destinations(self.sink, **fields)
        await self._serve(table(*(accounts or (account(Aggregator.CLICKPOST, "k"),)), destinations=[made]))

    async def keep(self, retention: Retention) -> None:
        """Set the retention times."""
        served = table(account(Aggregator.CLICKPOST, "k"), destinations=[destinations(self.sink)])
        settings = msgspec.structs.replace(served.server, retention=retention)
        await self._serve(msgspec.structs.replace(served, server=settings))

    async def _serve(self, served: RoutingTable) -> None:
        self._source.loaded = Loaded(table=served)
        async with aiohttp.ClientSession() as session, asyncio.timeout(30):
            while True:
                async with session.get(f"http://{self.server.admin_address}/config") as answer:
                    if (await answer.json())["revision"] == served.revision:
                        return

    async def post(
        self,
        *marks: int,
        shipment: int | None = None,
        key: str = "k",
        second: int = 1,
        aggregator: Aggregator = Aggregator.CLICKPOST,
    ) -> list[Any]:
        """One update per mark; the answers."""
        url, answers = f"http://{self.server.address}/rms/in/api/{profile(aggregator).path_segment}/notify", []
        async with aiohttp.ClientSession() as session:
            for number, mark in enumerate(marks):
                content = body(aggregator.slug, mark=mark, shipment=shipment or mark, second=second + number)
                async with session.post(url, data=content, headers={"webhook_key": key}) as answer:
                    answers.append((answer.status, await answer.json()))
        return answers

    async def arrived(self, count: int, *, of: Callable[[Arrival], bool] = bool) -> list[Arrival]:
        """Wait for so many attempts."""
        found: list[Arrival] = []

        def enough() -> bool:
            found[:] = [arrival for arrival in self.sink.arrivals if of(arrival)]
            return len(found) >= count

        await until(enough, seconds=30, what=lambda: f"{len(found)} of {count} arrived")
        return found

    async def admin(self, method: str, path: str, request: object = None) -> Any:
        """The answer of the admin port."""
        url = f"http://{self.server.admin_address}{path}"
        async with aiohttp.ClientSession() as session, session.request(method, url, json=request) as answer:
            return await answer.json() if answer.content_type == "application/json" else await answer.text()

    async def job(self, path: str, request: object) -> Any:
        """A job of the server, when it has ended."""
        job = await self.admin("POST", path, request)
        while job["state"] == "running":
            job = await self.admin("GET", f"{path}/{job['id']}")
        return job


def destinations(sink: Sink, **fields: Any) -> Destination:
    """The client's PushConfig."""
    return msgspec.structs.replace(Destination(name="acme/push", url=sink.url, retry=QUICK), **fields)


Open = Callable[..., contextlib.AbstractAsyncContextManager[Place]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens a `Place` whose endpoint behaves as requested."""
    monkeypatch.setattr(breaker, "PROBE_DELAYS", (0.05,))

    @contextlib.asynccontextmanager
    async def opened(
        behaviour: Behaviour | None = None, *accounts: Account, context: ssl.SSLContext | None = None, **fields: Any
    ) -> AsyncIterator[Place]:
        async with open_sink(behaviour or accept, context=context) as sink:
            served = table(
                *(accounts or (account(Aggregator.CLICKPOST, "k"),)), destinations=[destinations(sink, **fields)]
            )
            source = HeldSource(served)
            async with serving(tmp_path, source=source) as server:
                yield Place(server, sink, source, tmp_path)

    return opened
