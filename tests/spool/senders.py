"""Aggregators that post each update once, at one of the addresses that accept at the moment, as behind a Service."""

import asyncio
import contextlib
import itertools
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence

import aiohttp

from support.bodies import FORMATS, body
from support.deadline import until
from support.manifests import Client
from support.sink import Arrival

SHIPMENTS = 24
_SECONDS = 20.0


class OnceSenders:
    """One sender for each shipment: it posts the next update after the answer to the one before."""

    def __init__(self, client: Client, rng: random.Random) -> None:
        self.origins: list[str] = []
        """Where they post; each post chooses one."""
        self.accepted: set[int] = set()
        self.refused: list[tuple[int, object]] = []
        """Marks with the status or the exception."""
        self._client = client
        self._rng = rng
        self._stopped = asyncio.Event()
        self._by_origin: dict[str, int] = defaultdict(int)

    async def leave(self, origin: str) -> None:
        """Post nothing more there; returns when the last post there is answered."""
        self.origins.remove(origin)
        await until(
            lambda: not self._by_origin[origin], seconds=_SECONDS, what="posts under way at the origin that was left"
        )

    async def until_more(self, count: int) -> None:
        """Wait until so many more updates are accepted."""
        wanted = len(self.accepted) + count
        await until(lambda: len(self.accepted) >= wanted, seconds=60, what=lambda: f"refused: {self.refused[-5:]}")

    @contextlib.asynccontextmanager
    async def posting(self) -> AsyncIterator[None]:
        """Post until the block ends."""
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            tasks = [asyncio.create_task(self._send(session, shipment)) for shipment in range(SHIPMENTS)]
            try:
                yield
            finally:
                self._stopped.set()
                await asyncio.gather(*tasks)

    async def _send(self, session: aiohttp.ClientSession, shipment: int) -> None:
        shape = FORMATS[self._client.aggregator]
        headers = {shape.key_header: self._client.key, "Content-Type": "application/json"}
        for step in itertools.count():
            if self._stopped.is_set():
                return
            mark = step * SHIPMENTS + shipment
            content = body(self._client.aggregator, mark=mark, shipment=shipment, second=step)
            origin = self._rng.choice(self.origins)
            self._by_origin[origin] += 1
            try:
                url = f"{origin}/rms/in/api/{shape.segment}/notify"
                async with session.post(url, data=content, headers=headers) as answer:
                    await answer.read()
                    if answer.status == 200:
                        self.accepted.add(mark)
                    else:
                        self.refused.append((mark, answer.status))
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                self.refused.append((mark, type(error).__name__))
            finally:
                self._by_origin[origin] -= 1


def assert_in_order(arrivals: Sequence[Arrival]) -> None:
    """First arrivals of each shipment have the order of its updates, and none was pushed as late."""
    shipments: dict[int, list[int]] = defaultdict(list)
    for mark in dict.fromkeys(arrival.mark for arrival in arrivals if arrival.mark is not None):
        shipments[mark % SHIPMENTS].append(mark)
    for shipment, marks in shipments.items():
        assert marks == sorted(marks), f"shipment {shipment} was pushed out of order"
    late = [arrival.mark for arrival in arrivals if b'"late":true' in arrival.body]
    assert not late, f"pushed as late although in order: {late[:10]}"
