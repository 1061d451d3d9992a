"""One request: route, body, key, updates, commit, answer.

The order matters. The key is looked for before the body is parsed. Without a known key, only as much of the body is
read as shows whether it names a shipment: one that names none is a probe, and probes need no key. With a key, such a
body is kept as unrecognised, unless it is one that panels are known to post.
The 200 is written only after the journal's future, which resolves after the disk has it; a client that hangs up
meanwhile changes nothing, as nothing cancels the handler.
"""

import asyncio
import contextlib
import functools
import secrets
import time
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple

import msgspec

from trackpush_aggregators import (
    STEP,
    Content,
    Leftover,
    MalformedBodyError,
    Parsed,
    TooManyUpdatesError,
    body_key,
    decode,
    parse_in_steps,
    strangers,
)
from trackpush_aggregators.updates import NONCE_BYTES, TrackingUpdate
from trackpush_api.routing import Account
from trackpush_api.vocabulary import AggregatorName, slug_of
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import UpdateLog
from trackpush_server.receiver import answers, http_rules, keys, probes
from trackpush_server.receiver.admission import Admission
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.body import RefusedBodyError, read, read_at_once, unpacked, unpacked_within
from trackpush_server.receiver.intake import Intake, intake, joined, new_unrecognised
from trackpush_server.receiver.observer import ReceiverObserver
from trackpush_server.receiver.request import Request
from trackpush_server.receiver.routes import Route
from trackpush_server.receiver.serving import Serving
from trackpush_server.tenancy import is_replaced
from trackpush_server.tracing.port import Receipt, Tracing

_nonce = functools.partial(secrets.token_bytes, NONCE_BYTES)
_UNTRACED: contextlib.AbstractContextManager[str | None] = contextlib.nullcontext()


class _Taken(NamedTuple):
    """A body with its account."""

    match: keys.Match
    body: bytes
    """Unpacked."""
    document: Any = msgspec.UNSET
    """What `decode` made of it, if its key had to be looked for in it."""


class Receiver:
    """Handles requests; call `serve` with each routing table, before the first request."""

    def __init__(
        self,
        *,
        journal: UpdateLog,
        observer: ReceiverObserver,
        admission: Admission | None = None,
        tracing: Tracing | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.serving: Serving | None = None
        self._journal = journal
        self._observer = observer
        self._admission = admission or Admission()
        self._tracing = tracing
        self._wall = wall
        self._large_bodies_of_strangers = asyncio.Lock()
        """One after the other, so that all other requests get a turn between two of them."""

    @property
    def under_way(self) -> int:
        """Number of complete requests that wait for their commit."""
        return self._admission.under_way

    def serve(self, serving: Serving) -> None:
        """Serve this table from the next request on."""
        self.serving = serving

    async def handle(self, request: Request) -> Response:
        """Answer one request. Raises nothing except cancellation."""
        started = time.perf_counter()
        route: Route | None = None
        try:
            serving = self.serving
            if serving is None:
                answer = answers.NOT_READY
            else:
                target = http_rules.target_of(request)
                route = serving.routes.find(target.host, target.path)
                answer = http_rules.refusal(request, target.host) or (
                    answers.NOT_FOUND if route is None else await self._answer(serving, route, target.query, request)
                )
        except RefusedBodyError as refused:
            answer = refused.answer
        except MalformedBodyError as error:
            answer = answers.malformed(str(error))
        except JournalUnavailableError:
            answer = answers.OVERLOADED if self._journal.unavailable is None else answers.UNAVAILABLE
        except Exception as error:  # noqa: BLE001  whatever it is, the aggregator must try again
            reference = secrets.token_hex(6)
            self._observer.failed(reference, error)
            answer = answers.unexpected(reference)
        self._observer.answered(route and route.aggregator, answer, time.perf_counter() - started, request.trace)
        return answer

    async def _answer(self, serving: Serving, route: Route, query: str, request: Request) -> Response:
        method = request.method
        if method == "POST":
            return await self._post(serving, route, query, request)
        if method in {"GET", "HEAD"}:
            return probes.answer(request.headers)
        return answers.OPTIONS if method == "OPTIONS" else answers.WRONG_METHOD

    async def _post(self, serving: Serving, route: Route, query: str, request: Request) -> Response:
        """Look for the key first: without a known key, read as little as possible."""
        limits = serving.limits
        presented = keys.candidates(request.headers, query, route.path_key)
        match = keys.find(serving.table, route.aggregator, presented)
        packed = read_at_once(request, limits)
        if packed is None:
            packed = await read(request, limits, self._admission.strangers if match is None else self._admission.known)
        if not packed:
            return answers.PROBE
        if match is not None:
            return await self._take(serving, request, _Taken(match, unpacked(request, packed, limits)))
        again = keys.candidates(request.headers, query, route.path_key)
        graced = keys.is_in_grace(serving.table, route.aggregator, again, self._wall())
        found = await self._stranger(serving, route.aggregator, request, packed, graced=graced)
        return found if isinstance(found, Response) else await self._take(serving, request, found)

    async def _stranger(
        self, serving: Serving, aggregator: AggregatorName, request: Request, packed: bytes, *, graced: bool
    ) -> Response | _Taken:
        """The body, if it contains a known key; otherwise the answer.

        ``graced``: the head has a key that is in grace.
        """
        received_at = int(self._wall() * 1000)
        body = unpacked_within(request, packed, strangers.MOST_BYTES)
        if body is None:
            async with self._large_bodies_of_strangers:
                large = unpacked(request, packed, serving.limits)
                match = keys.find(serving.table, aggregator, strangers.keys_in(aggregator, large))
                await asyncio.sleep(0)
                if match is None and serving.table.grace_by_digest:
                    inside = strangers.keys_in(aggregator, large)
                    graced = graced or keys.is_in_grace(serving.table, aggregator, inside, received_at / 1000)
            if match is not None:
                return _Taken(match, large)
            return self._without_account(serving, aggregator, Content.UPDATES, graced=graced)
        document = decode(body, request.headers.get("Content-Type", ""))
        key = body_key(aggregator, document)
        match = keys.find(serving.table, aggregator, iter((key,))) if key else None
        if match is not None:
            return _Taken(match, body, document)
        graced = graced or keys.is_in_grace(serving.table, aggregator, iter((key or "",)), received_at / 1000)
        content = strangers.look(aggregator, document, body, received_at=received_at)
        return self._without_account(serving, aggregator, content, graced=graced)

    async def _take(self, serving: Serving, request: Request, taken: _Taken) -> Response:
        """Store the updates of a body whose account is known."""
        admission = self._admission
        if admission.under_way >= serving.limits.max_concurrent_requests:
            return answers.OVERLOADED
        account = taken.match.account
        received_at = int(self._wall() * 1000)
        content_type = request.headers.get("Content-Type", "")
        try:
            steps = parse_in_steps(
                account.aggregator,
                decode(taken.body, content_type) if taken.document is msgspec.UNSET else taken.document,
                taken.body,
                key=taken.match.key,
                received_at=received_at,
                content_type=content_type,
                most=serving.limits.max_updates_per_body,
            )
            parsed = await _in_turns(steps)
        except MalformedBodyError as error:
            self._observer.malformed(account, str(error))
            raise
        except TooManyUpdatesError as error:
            return answers.too_many_updates(error.most)
        now = received_at / 1000
        if not parsed.updates:
            return (
                await self._keep(serving, account, parsed.leftovers, now, answers.PROBE)
                if parsed.leftovers
                else answers.PROBE
            )
        with self._span(request, account, parsed.updates, now) as trace:
            request.trace = trace
            made = await self._intake(serving, account, parsed.updates, received_at, trace)
            if self._is_replaced(serving, account):
                return answers.MISSING_KEY
            admission.under_way += 1
            try:
                accepted = await self._journal.append(made.updates)
            finally:
                admission.under_way -= 1
        self._observer.stored(account.aggregator, made, accepted)
        answer = answers.stored(accepted, len(made.updates) - accepted)
        return await self._keep(serving, account, parsed.leftovers, now, answer) if parsed.leftovers else answer

    async def _intake(
        self, serving: Serving, account: Account, updates: Sequence[TrackingUpdate], received_at: int, trace: str | None
    ) -> Intake:
        """The journal entries of these updates; a large batch takes turns with other requests."""
        selection = serving.selection(account)
        parts = []
        for start in range(0, len(updates), STEP):
            if start:
                await asyncio.sleep(0)
            part = tuple(updates[start : start + STEP])
            parts.append(intake(account, selection, part, received_at, trace, nonce=_nonce))
        return parts[0] if len(parts) == 1 else joined(parts)

    def _without_account(
        self, serving: Serving, aggregator: AggregatorName, content: Content, *, graced: bool
    ) -> Response:
        """The answer to a body without a known key; a body without identifiers is a panel's probe.

        While a part of the routing table is missing, its key may be known all the same: then it is sent back. So is a
        body whose key is in grace.
        """
        is_final = serving.complete and not graced
        if content is Content.PROBE or (content is Content.UNRECOGNISED and is_final):
            return answers.PROBE
        if graced:
            self._observer.postponed_for_key(aggregator)
            return answers.MISSING_KEY
        if not serving.complete:
            self._observer.postponed(aggregator)
            return answers.INCOMPLETE_TABLE
        self._observer.unauthorized(aggregator)
        return answers.unauthorized(aggregator)

    def _is_replaced(self, serving: Serving, account: Account) -> bool:
        """Whether its namespace was created again during the request: the journal is bound to the new one."""
        now = self.serving
        return now is not serving and now is not None and is_replaced(account, now.table)

    async def _keep(
        self, serving: Serving, account: Account, leftovers: Sequence[Leftover], now: float, answer: Response
    ) -> Response:
        """Store the unrecognised parts in the inbox.

        This comes after the updates of the same request. If it fails, the aggregator posts everything again: the
        updates are duplicates then, and a body that was kept is kept once.
        """
        if self._is_replaced(serving, account):
            return answers.MISSING_KEY
        self._admission.under_way += 1
        try:
            await self._journal.keep([new_unrecognised(account, leftover, int(now * 1000)) for leftover in leftovers])
        finally:
            self._admission.under_way -= 1
        self._observer.unrecognised(account, leftovers)
        return answers.also_unrecognised(answer, len(leftovers))

    def _span(
        self, request: Request, account: Account, updates: tuple[TrackingUpdate, ...], now: float
    ) -> contextlib.AbstractContextManager[str | None]:
        """Only requests with a known key create spans, so that a flood of others can't fill the traces."""
        if self._tracing is None:
            return _UNTRACED
        receipt = Receipt(
            traceparent=request.headers.get("traceparent"),
            received_at=now,
            aggregator=slug_of(account.aggregator),
            account=account.name,
            updates=len(updates),
        )
        return self._tracing.receive(receipt)


async def _in_turns(steps: Generator[None, None, Parsed]) -> Parsed:
    """Run a generator; the event loop gets a turn at each step."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            parsed: Parsed = done.value
            return parsed
        await asyncio.sleep(0)
