"""A bad road between the server and a client: some pushes are refused, some get lost, and so do some answers.

What happens to a try depends on the seed, the push's id and the number of the try alone, not on the order in which
tries come: the same seed treats the same pushes alike.
"""

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import aiohttp
from aiohttp import web

REFUSED: Final = "refused"
"""500; the client never sees the push."""
LOST: Final = "lost"
"""The connection breaks before the client sees the push."""
ANSWER_LOST: Final = "answer lost"
"""The client takes the push, and the connection breaks before its answer is back."""
DOWN: Final = "down"
"""The client isn't there."""
PASSED: Final = "passed"

_HOP_BY_HOP = frozenset({"host", "connection", "content-length", "transfer-encoding"})


class RoughWay:
    """The road. Make it with `open_rough_way`."""

    def __init__(self, session: aiohttp.ClientSession, client: str, seed: int, trouble: float) -> None:
        self.seed = seed
        self.port = 0
        self.happened: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        """What the client itself answered, by status."""
        self._session = session
        self._client = client
        self._trouble = trouble
        self._tries: Counter[str] = Counter()

    @property
    def url(self) -> str:
        """What a PushConfig gets for its ``url``."""
        return f"http://127.0.0.1:{self.port}/hooks/shipments"

    def _fate(self, push_id: str) -> str:
        self._tries[push_id] += 1
        chance = random.Random(f"{self.seed}/{push_id}/{self._tries[push_id]}").random()  # noqa: S311 - no secret
        if chance >= self._trouble:
            return PASSED
        return (REFUSED, LOST, ANSWER_LOST)[int(3 * chance / self._trouble)]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Take one try, body and headers untouched, as far as its fate allows."""
        body = await request.read()
        fate = self._fate(request.headers["webhook-id"])
        status = await self._pass_on(request, body) if fate in {PASSED, ANSWER_LOST} else 500
        if status is None:
            fate = DOWN
        self.happened[fate] += 1
        if status is not None and fate in {PASSED, REFUSED}:
            return web.Response(status=status)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _pass_on(self, request: web.Request, body: bytes) -> int | None:
        """The client's answer, or None when there is none."""
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP]
        try:
            async with self._session.post(self._client, data=body, headers=headers) as answer:
                await answer.read()
        except aiohttp.ClientError:
            return None
        self.answers[answer.status] += 1
        return answer.status


@contextlib.asynccontextmanager
async def open_rough_way(client: str, *, seed: int, trouble: float) -> AsyncIterator[RoughWay]:
    """A road to the client's origin; ``trouble`` is the share of tries that don't go through, a third of each kind."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        way = RoughWay(session, f"{client}/hooks/shipments", seed, trouble)
        application = web.Application()
        application.router.add_post("/hooks/shipments", way.handle)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            way.port = runner.addresses[0][1]
            yield way
        finally:
            await runner.cleanup()
