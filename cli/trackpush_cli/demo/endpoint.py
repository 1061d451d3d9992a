"""The clients' side of the demo: a real HTTP server, one path per PushConfig, that checks and shows what arrives."""

import time
from collections import Counter
from collections.abc import Callable, Mapping

import msgspec
from aiohttp import web

from trackpush_api.routing import Destination
from trackpush_cli.demo.credentials import faults
from trackpush_cli.demo.ledger import Arrival

_MAX_BODY = 4 * 1024 * 1024


class _Status(msgspec.Struct):
    code: str


class _Canonical(msgspec.Struct):
    """The fields of a canonical notification that the client checks."""

    id: str
    late: bool
    status: _Status


def path_of(push_config: str) -> str:
    return f"/clients/{push_config}"


class ClientEndpoint:
    """Answers pushes: 200 if a push is correct, 401 if not, and 500 while ``failures`` are left.

    ``on_arrival`` gets every request before it is answered.
    """

    def __init__(self, on_arrival: Callable[[Arrival], None]) -> None:
        self.on_arrival = on_arrival
        self.failures: Counter[str] = Counter()
        """By PushConfig: number of requests that will still be answered with 500."""
        self._destinations: Mapping[str, Destination] = {}
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post("/clients/{namespace}/{name}", self._take)
        self._runner = web.AppRunner(app, access_log=None)

    async def start(self) -> str:
        """Listen on a free port of loopback; returns the URL without a path."""
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def know(self, destinations: Mapping[str, Destination]) -> None:
        self._destinations = destinations

    async def close(self) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        push_config = f"{request.match_info['namespace']}/{request.match_info['name']}"
        body = await request.read()
        arrival = self._look(push_config, request, body)
        self.on_arrival(arrival)
        return web.json_response({"thanks": arrival.taken}, status=arrival.answered)

    def _look(self, push_config: str, request: web.Request, body: bytes) -> Arrival:
        webhook_id = request.headers.get("webhook-id", "")
        destination = self._destinations.get(push_config)
        if destination is None:
            wrong: tuple[str, ...] = (f"there is no PushConfig {push_config}",)
            status = late = None
        else:
            status, late, wrong = _read(destination, webhook_id, body)
            wrong += faults(destination, request.headers, body, time.time())
        answer = 401 if wrong else 200
        if self.failures[push_config] > 0:
            self.failures[push_config] -= 1
            answer = 500
        return Arrival(
            webhook_id=webhook_id,
            push_config=push_config,
            answered=answer,
            at=time.monotonic(),
            status=status,
            late=late,
            faults=wrong,
        )


def _read(destination: Destination, webhook_id: str, body: bytes) -> tuple[str | None, bool | None, tuple[str, ...]]:
    """Status, late, and the errors of the body."""
    if destination.payload_format != "Canonical":
        return None, None, ()
    try:
        notification = msgspec.json.decode(body, type=_Canonical)
    except msgspec.MsgspecError as error:
        return None, None, (f"the body is not a canonical notification: {error}",)
    wrong = () if notification.id == webhook_id else (f"webhook-id {webhook_id!r} is not the body's id",)
    return notification.status.code, notification.late, wrong
