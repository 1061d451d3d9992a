"""Finds the account of a request, before its body is parsed into updates.

A known key in the head is looked for first, because the body may then take memory of its own share. A signature is
made of the whole body, so it is verified when the body is complete. Without both, only as much of the body is read as
shows whether it names a shipment: one that names none is a probe, and probes need no key.
"""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import msgspec

from trackpush_aggregators import Content, body_key, decode, strangers
from trackpush_api.routing import Limits
from trackpush_server.receiver import answers, keys
from trackpush_server.receiver.admission import Admission
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.body import (
    TooLargeBodyError,
    entered,
    hold,
    read,
    read_and_hold,
    read_at_once,
    unpacked,
    unpacked_within,
)
from trackpush_server.receiver.credentials import Credentials, credentials, presented_keys
from trackpush_server.receiver.diagnosis import why_unauthorized
from trackpush_server.receiver.keys import Match
from trackpush_server.receiver.observer import ReceiverObserver
from trackpush_server.receiver.request import Request
from trackpush_server.receiver.served_aggregators import ServedAggregator
from trackpush_server.receiver.serving import Serving
from trackpush_server.receiver.signature_search import SignatureSearch
from trackpush_server.receiver.signatures import search
from trackpush_server.receiver.turns import in_turns

_AT_ONCE = 1024 * 1024
"""Unpacking that may give more bytes runs in a thread."""


class Head(NamedTuple):
    """The parts of the URL that may contain a key, as they came."""

    path_key: str | None
    query: str


class Identified(NamedTuple):
    """A body with its account."""

    match: Match
    body: bytes
    """Unpacked."""
    document: Any = msgspec.UNSET
    """What `decode` made of it, if its key had to be looked for in it."""
    held: contextlib.ExitStack | None = None
    """Its memory, where that counts until the answer; the caller closes it."""


class Identification:
    """Identifies the requests of one receiver."""

    def __init__(self, *, admission: Admission, observer: ReceiverObserver, wall: Callable[[], float]) -> None:
        self._admission = admission
        self._observer = observer
        self._wall = wall
        self._search = SignatureSearch()
        self._unpacking = asyncio.Lock()
        self._large_bodies_of_strangers = asyncio.Lock()
        """One after the other, so that all other requests get a turn between two of them."""

    async def identify(
        self, serving: Serving, served: ServedAggregator, head: Head, request: Request
    ) -> Response | Identified:
        """The body and its account, or the answer to a request that has no account.

        Raises:
            RefusedBodyError: the body can't be read.
            MalformedBodyError: the body can't be decoded.
        """
        given = credentials(serving.table, served, request.headers, head.query, head.path_key)
        if given.match is not None:
            request.account = given.match.account.name
            if given.signatures is None and not served.is_large:
                return await self._with_key(served, request, given.match)
            return await self._held(serving, served, head, request, given)
        if given.signatures is not None and not served.all_of:
            return await self._held(serving, served, head, request, given)
        try:
            return await self._stranger(serving, served, head, request)
        except TooLargeBodyError:
            if not served.is_large:
                raise
            graced = self._is_in_grace(serving, served, head, request)
            return answers.ending(self._without_account(serving, served, head, request, Content.UPDATES, graced=graced))

    async def _with_key(self, served: ServedAggregator, request: Request, match: Match) -> Response | Identified:
        packed = read_at_once(request, served.limits)
        if packed is None:
            packed = await read(request, served.limits, self._admission.known)
        return Identified(match, unpacked(request, packed, served.limits)) if packed else answers.PROBE

    async def _held(
        self, serving: Serving, served: ServedAggregator, head: Head, request: Request, given: Credentials
    ) -> Response | Identified:
        """Read and identify a body. Its bytes count against the limit until the answer or a wrong signature."""
        share = self._admission.signed if given.match is None else self._admission.held
        with contextlib.ExitStack() as stack:
            arriving = stack.enter_context(entered(request, served.limits, share))
            packed = body = await read_and_hold(request, served.limits, arriving)
            if not packed:
                return answers.PROBE
            match = await self._verified(served, given, packed)
            if request.headers.get("Content-Encoding"):
                body = await self._unpacked(request, packed, served.limits)
                hold(arriving, len(body))
                match = match or await self._verified(served, given, body)
            if match is not None:
                return Identified(match, body, held=stack.pop_all())
        graced = served.grace_until > self._wall() or self._is_in_grace(serving, served, head, request)
        return self._without_account(serving, served, head, request, Content.UPDATES, graced=graced)

    async def _verified(self, served: ServedAggregator, given: Credentials, content: bytes) -> Match | None:
        """The account, if the request has a valid signature of this content or needs none."""
        known = given.match
        if given.signatures is None:
            return known
        if known is None:
            return await self._search.find(served.name, served.signers, content, given.signatures)
        signer = served.signers.get(known.account.name)
        found = None if signer is None else await in_turns(search([signer], content, given.signatures))
        return None if found is None else known._replace(others=(*known.others, found.key))

    async def _unpacked(self, request: Request, packed: bytes, limits: Limits) -> bytes:
        if limits.max_body_bytes <= _AT_ONCE:
            return unpacked(request, packed, limits)
        async with self._unpacking:
            return await asyncio.to_thread(unpacked, request, packed, limits)

    async def _stranger(
        self, serving: Serving, served: ServedAggregator, head: Head, request: Request
    ) -> Response | Identified:
        """The body, if it contains a known key; otherwise the answer."""
        limits, name = served.strangers_limits, served.name
        packed = read_at_once(request, limits)
        if packed is None:
            packed = await read(request, limits, self._admission.strangers)
        if not packed:
            return answers.PROBE
        table, now = serving.table, self._wall()
        graced = self._is_in_grace(serving, served, head, request)
        body = unpacked_within(request, packed, strangers.MOST_BYTES)
        if body is None:
            async with self._large_bodies_of_strangers:
                large = unpacked(request, packed, limits)
                match = keys.find(table, name, strangers.keys_in(served.reader, large))
                await asyncio.sleep(0)
                if match is None and table.grace_by_digest:
                    graced = graced or keys.is_in_grace(table, name, strangers.keys_in(served.reader, large), now)
            if match is not None:
                return Identified(match, large)
            return self._without_account(serving, served, head, request, Content.UPDATES, graced=graced)
        document = decode(body, request.headers.get("Content-Type", ""))
        key = body_key(served.reader, document)
        match = keys.find(table, name, iter((key,))) if key else None
        if match is not None:
            return Identified(match, body, document)
        graced = graced or keys.is_in_grace(table, name, iter((key or "",)), now)
        content = strangers.look(served.reader, document, body, received_at=int(now * 1000))
        return self._without_account(serving, served, head, request, content, graced=graced)

    def _without_account(
        self,
        serving: Serving,
        served: ServedAggregator,
        head: Head,
        request: Request,
        content: Content,
        *,
        graced: bool,
    ) -> Response:
        """The answer to a body without a known key; a body without identifiers is a panel's probe.

        While a part of the routing table is missing, its key may be known all the same: then it is sent back. So is a
        body whose key is in grace. An aggregator that signs its bodies signs its tests, too: without a signature, only
        a body that is empty is a probe.
        """
        is_final = serving.complete and not graced
        is_enough = served.signature is None and is_final
        if content is Content.PROBE or (content is Content.UNRECOGNISED and is_enough):
            return answers.PROBE
        if graced:
            self._observer.postponed_for_key(served.name)
            return answers.MISSING_KEY
        if not serving.complete:
            self._observer.postponed(served.name)
            return answers.INCOMPLETE_TABLE
        why = partial(
            why_unauthorized,
            serving.table,
            served,
            names=serving.aggregators,
            headers=request.headers,
            query=head.query,
            path_key=head.path_key,
        )
        self._observer.unauthorized(served.name, why)
        return served.unauthorized

    def _is_in_grace(self, serving: Serving, served: ServedAggregator, head: Head, request: Request) -> bool:
        """Whether the head has a key that is in grace."""
        presented = presented_keys(served, request.headers, head.query, head.path_key)
        return keys.is_in_grace(serving.table, served.name, presented, self._wall())
