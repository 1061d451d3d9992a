"""The live tail as server-sent events: one event per update and attempt, and a regular comment that keeps it open."""

from typing import Final

import msgspec
from aiohttp import web

from trackpush_server.admin import masking
from trackpush_server.admin.api.operation import ApiCall, operation
from trackpush_server.admin.api.reading import Name, Params, Text
from trackpush_server.admin.guard import ACCESS
from trackpush_server.telemetry.tail import TailEvent, Watcher

HEARTBEAT_SECONDS: Final = 10.0


class TailParams(Params, frozen=True, kw_only=True):
    """Selects events."""

    client: Text | None = None
    push_config: Name | None = None
    failed: bool = False
    """Only failed attempts."""


@operation("GET", "/tail", answer=TailEvent, errors=(429,), streamed_as=("text/event-stream",))
async def tail(call: ApiCall, query: TailParams) -> web.StreamResponse:
    """Updates and attempts as they happen, as server-sent events. Each event's data is a TailEvent."""
    who = call.identity
    with call.desk.tail.watching(lambda event: _wanted(query, event), actor=who.actor, role=who.role) as watcher:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(call.request)
        await response.write(b": watching\n\n")
        try:
            # Until the client closes the connection, the server stops, or the login ends.
            while await call.request[ACCESS].is_still(call.request, who):
                await response.write(await _next(watcher, plain=call.identity.operates))
        except ConnectionError:
            pass
        return response


OPERATIONS: Final = (tail,)


async def _next(watcher: Watcher, *, plain: bool) -> bytes:
    event = await watcher.next(HEARTBEAT_SECONDS)
    if event is None:
        return b": still here\n\n"
    missed, watcher.missed = watcher.missed, 0
    if not plain:
        event = msgspec.structs.replace(event, error=masking.error(event.error))
    note = b"event: missed\ndata: %d\n\n" % missed if missed else b""
    return b"%sevent: %s\ndata: %s\n\n" % (note, event.kind.encode(), msgspec.json.encode(event))


def _wanted(asked: TailParams, event: TailEvent) -> bool:
    if asked.client not in {None, event.client}:
        return False
    if (
        asked.push_config is not None
        and asked.push_config != event.push_config
        and asked.push_config not in event.pushes
    ):
        return False
    return not asked.failed or (event.kind == "attempt" and event.state != "delivered")
