"""Streams the new pushes of one PushConfig to its client's developer: `trackpush listen --portal`.

The journal is read again and again, because another replica may have stored the push.
"""

import asyncio
import base64
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from aiohttp import web

from trackpush_server.admin.identity import address
from trackpush_server.admin.problems import problem
from trackpush_server.journal.model import JournalUnavailableError, NewAudit
from trackpush_server.journal.search import PushQuery, PushRow
from trackpush_server.operations.portal_links import LinkRefusedError, PortalLinks
from trackpush_server.operations.sample_push import TooManySamplePushesError
from trackpush_server.portal.guard import presented
from trackpush_server.portal.page import scope
from trackpush_server.portal.scope import NotOwnError
from trackpush_server.portal.services import SERVICES
from trackpush_server.portal.visitor import visitor

PAUSE: Final = 1.0
"""Seconds between two reads of the journal."""
HEARTBEAT: Final = 10.0
MOST_OF_A_LINK: Final = 2
MOST: Final = 20
"""Maximum number of streams: of one link, and of all."""
_AT_ONCE: Final = 50
_START: Final = "0.0"


class ForwardedPush(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A push as it would be sent now: the headers of its signature, and its exact body. It has no credentials."""

    id: str
    awb: str | None
    shipment: str
    status: str
    headers: dict[str, str]
    body_base64: str


class PortalStreams:
    """The open streams of one portal."""

    def __init__(self, links: PortalLinks) -> None:
        self._links = links
        self._open: Counter[str] = Counter()
        """Number of streams by link."""

    def __len__(self) -> int:
        return self._open.total()

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """The new pushes of a PushConfig, as server-sent events; the data of each is a `ForwardedPush`."""
        who, name = visitor(request), request.query.get("pushConfig", "")
        if not who.operates:
            return problem(403, "Your link has the role view. Bodies contain personal data: ask for one with operate.")
        if not scope(request).serves(name):
            return problem(400, "pushConfig names no PushConfig of your client. The portal's first page lists them.")
        if self._open[who.link_id] >= MOST_OF_A_LINK or self._open.total() >= MOST:
            return problem(429, f"{MOST_OF_A_LINK} programs listen by this link, or too many by others. End one.")
        self._open[who.link_id] += 1
        try:
            return await self._send(request, name)
        finally:
            self._open[who.link_id] -= 1
            self._open += Counter()  # forget links without a stream

    async def _send(self, request: web.Request, name: str) -> web.StreamResponse:
        cursor = await _newest(request, name)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b": listening\n\n")
        last = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while request.transport is not None and await self._is_admitted(request):  # None: the client has gone
                rows, cursor = await _newer(request, name, cursor)
                async for event in _events(request, rows):
                    await response.write(event)
                    last = time.monotonic()
                if time.monotonic() - last >= HEARTBEAT:
                    await response.write(b": still here\n\n")
                    last = time.monotonic()
                await asyncio.sleep(PAUSE)
        return response

    async def _is_admitted(self, request: web.Request) -> bool:
        """Whether the link is still valid. While the journal can't be read, there is nothing to send."""
        try:
            await self._links.check(presented(request))
        except LinkRefusedError:
            return False
        except JournalUnavailableError:
            return True
        return True


STREAMS: Final = web.AppKey("listening", PortalStreams)


async def _newest(request: web.Request, name: str) -> str:
    found = await request.app[SERVICES].desk.lookup.list_pushes(_query(request, name, limit=1))
    return found.rows[0].cursor if found.rows else _START


async def _newer(request: web.Request, name: str, cursor: str) -> tuple[tuple[PushRow, ...], str]:
    """The pushes after a cursor, oldest first, and the cursor for the next read."""
    query = _query(request, name, limit=_AT_ONCE)
    query = msgspec.structs.replace(query, cursor=cursor, newer=True)
    try:
        found = await request.app[SERVICES].desk.lookup.list_pushes(query)
    except JournalUnavailableError:
        return (), cursor
    return found.rows[::-1], found.rows[0].cursor if found.rows else found.newer or cursor


def _query(request: web.Request, name: str, *, limit: int) -> PushQuery:
    return PushQuery(client=visitor(request).client, push_config=name, limit=limit)


async def _events(request: web.Request, rows: tuple[PushRow, ...]) -> AsyncIterator[bytes]:
    """An event for each push that can be shown: it is the client's, and its body was not erased."""
    desk = request.app[SERVICES].desk
    for row in rows:
        with contextlib.suppress(NotOwnError, LookupError, TooManySamplePushesError, JournalUnavailableError):
            detail = await scope(request).detail(row.push_id)
            copy = desk.test_pushes.copy(detail)
            await _audit(request, row)
            push = ForwardedPush(
                id=row.push_id,
                awb=row.awb,
                shipment=row.shipment,
                status=row.status,
                headers=copy.headers,
                body_base64=base64.b64encode(copy.body).decode(),
            )
            yield b"event: push\ndata: %s\n\n" % msgspec.json.encode(push)


async def _audit(request: web.Request, row: PushRow) -> None:
    who, desk = visitor(request), request.app[SERVICES].desk
    await desk.audit_log.add(
        NewAudit(
            at=int(desk.wall() * 1000),
            actor=who.actor,
            role=who.role,
            action="push.copy",
            target=f"PushConfig {row.push_config}, {row.push_id}",
            address=address(request),
        )
    )
