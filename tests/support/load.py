"""An aggregator that posts at a fixed rate, in the test's own loop, and remembers what was answered to what.

A shipment's updates always go through the same worker, one after the other, as one courier's feed does: so the order
in which they are sent is the order in which the server received them, and a test may insist on it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import msgspec

from support.bodies import FORMATS, body
from support.manifests import Client

REQUEST_SECONDS = 10.0


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """One try of an update. ``status`` is None when no answer came: then nobody knows whether it was stored."""

    mark: int
    status: int | None
    answered_at: float
    """`time.monotonic`, in seconds."""
    seconds: float
    retry_after: str | None = None


class Aggregator:
    """Posts as one client's aggregator. Make it with `open_aggregator`."""

    def __init__(self, session: aiohttp.ClientSession, origin: str, client: Client) -> None:
        self._session = session
        self._url = f"{origin}/rms/in/api/{FORMATS[client.aggregator].segment}/notify"
        self._headers = {FORMATS[client.aggregator].key_header: client.key, "Content-Type": "application/json"}
        self._client = client
        self.posts: list[Post] = []

    @property
    def accepted(self) -> set[int]:
        """The marks of all that was answered with 200."""
        return {post.mark for post in self.posts if post.status == 200}

    async def post(self, mark: int, *, shipment: int | None = None, second: int | None = None) -> Post:
        """Post one update: of a shipment of its own, unless told otherwise."""
        content = body(
            self._client.aggregator,
            mark=mark,
            shipment=mark if shipment is None else shipment,
            second=mark if second is None else second,
        )
        started = time.monotonic()
        status: int | None = None
        retry_after: str | None = None
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with self._session.post(self._url, data=content, headers=self._headers) as answer:
                await answer.read()
                status, retry_after = answer.status, answer.headers.get("Retry-After")
        now = time.monotonic()
        post = Post(mark=mark, status=status, answered_at=now, seconds=now - started, retry_after=retry_after)
        self.posts.append(post)
        return post

    async def many(self, marks: range, *, workers: int = 16) -> None:
        """Post these marks as fast as the workers can."""
        numbers = iter(marks)

        async def work() -> None:
            for mark in numbers:
                await self.post(mark)

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How a steady stream of updates looks."""

    rate: float
    """Updates a second over all workers, whether or not answers come."""
    shipments: int = 64
    """Update ``mark`` belongs to shipment ``mark % shipments`` and happened ``mark // shipments`` seconds in."""
    workers: int = 32
    """Divides ``shipments``, so that each shipment keeps its worker."""


async def stream(aggregator: Aggregator, pace: Pace, *, stop: asyncio.Event, resend: Callable[[Post], bool]) -> None:
    """Post marks 0, 1, 2, … at the pace until ``stop`` is set.

    After each try without a 200, ``resend`` decides whether the aggregator repeats that update, before the shipment's
    next one.
    """
    assert pace.shipments % pace.workers == 0, "each shipment must keep its worker"
    started = asyncio.get_running_loop().time()

    async def work(worker: int) -> None:
        mark = worker
        while not stop.is_set():
            await _sleep_until(started + mark / pace.rate, stop)
            if stop.is_set():
                return
            post = await aggregator.post(mark, shipment=mark % pace.shipments, second=mark // pace.shipments)
            while post.status != 200 and resend(post):
                await asyncio.sleep(0.05)
                post = await aggregator.post(mark, shipment=mark % pace.shipments, second=mark // pace.shipments)
            mark += pace.workers

    async with asyncio.TaskGroup() as group:
        for worker in range(pace.workers):
            group.create_task(work(worker))


async def _sleep_until(when: float, stop: asyncio.Event) -> None:
    delay = when - asyncio.get_running_loop().time()
    if delay > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await stop.wait()


@contextlib.asynccontextmanager
async def open_aggregator(origin: str, client: Client) -> AsyncIterator[Aggregator]:
    """An aggregator with its own keep-alive connections."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        yield Aggregator(session, origin, client)
