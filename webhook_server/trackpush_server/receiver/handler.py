"""One request: route, body, key, updates, commit, answer.

The order matters. The key is looked for before the body is parsed. Without a known key, only as much of the body is
read as shows whether it names a shipment: one that names none is a probe, and probes need no key. With a key, such a
body is kept as unrecognised, unless it is one that panels are known to post.
The 200 is written only after the journal's future, which resolves after the disk has it; a client that hangs up
meanwhile changes nothing, as nothing cancels the handler.
"""

import contextlib
import functools
import secrets
import time
from collections.abc import Callable, Sequence

import msgspec

from trackpush_aggregators import (
    Leftover,
    MalformedBodyError,
    Parsed,
    TooManyUpdatesError,
    decode,
    parse_in_steps,
)
from trackpush_aggregators.updates import NONCE_BYTES, TrackingUpdate
from trackpush_api.routing import Account, digest_key
from trackpush_api.vocabulary import slug_of
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import UpdateLog
from trackpush_server.receiver import answers, http_rules, probes
from trackpush_server.receiver.admission import Admission
from trackpush_server.receiver.answers import Response
from trackpush_server.receiver.body import RefusedBodyError
from trackpush_server.receiver.credentials import presented_keys
from trackpush_server.receiver.http_rules import RequestTarget
from trackpush_server.receiver.identification import Head, Identification, Identified
from trackpush_server.receiver.intake import intake_in_steps, new_unrecognised
from trackpush_server.receiver.observer import ReceiverObserver
from trackpush_server.receiver.request import Request
from trackpush_server.receiver.routes import Route
from trackpush_server.receiver.served_aggregators import ServedAggregator
from trackpush_server.receiver.serving import Serving
from trackpush_server.receiver.spooling import Spool
from trackpush_server.receiver.turns import in_turns
from trackpush_server.tenancy import is_replaced
from trackpush_server.tracing.port import Receipt, Tracing

_nonce = functools.partial(secrets.token_bytes, NONCE_BYTES)
_UNTRACED: contextlib.AbstractContextManager[str | None] = contextlib.nullcontext()


class Receiver:
    """Handles requests; call `serve` with each routing table, before the first request."""

    def __init__(
        self,
        *,
        journal: UpdateLog,
        observer: ReceiverObserver,
        admission: Admission | None = None,
        tracing: Tracing | None = None,
        spool: Spool | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """With ``spool``, requests are stored there, and the journal is not used."""
        self.serving: Serving | None = None
        self._journal = journal
        self._observer = observer
        self._admission = admission or Admission()
        self._tracing = tracing
        self._spool = spool
        self._wall = wall
        self._identification = Identification(admission=self._admission, observer=observer, wall=wall)

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
                    self._unrouted(serving, target, request.method)
                    if route is None
                    else await self._answer(serving, route, target.query, request)
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
        if route is not None and answer.refusal in answers.OF_CONTENT:
            self._observer.refused(route.aggregator, request.account, answer)
        if request.account is not None:
            self._observer.answered_account(request.account, answer)
        return answer

    def _unrouted(self, serving: Serving, target: RequestTarget, method: str) -> Response:
        """While a part of the routing table is missing, an unknown URL may be that of an aggregator in this part."""
        if serving.complete or method != "POST" or not serving.routes.may_be_missing(target.host, target.path):
            return answers.NOT_FOUND
        self._observer.postponed_for_path()
        return answers.INCOMPLETE_ROUTES

    async def _answer(self, serving: Serving, route: Route, query: str, request: Request) -> Response:
        method = request.method
        if method == "POST":
            return await self._post(
                serving, serving.aggregators[route.aggregator], Head(route.path_key, query), request
            )
        if method in {"GET", "HEAD"}:
            return probes.answer(request.headers, serving.aggregators[route.aggregator])
        return answers.OPTIONS if method == "OPTIONS" else answers.WRONG_METHOD

    async def _post(self, serving: Serving, served: ServedAggregator, head: Head, request: Request) -> Response:
        found = await self._identification.identify(serving, served, head, request)
        if isinstance(found, Response):
            if request.account is None and found.refusal is not None:
                self._observer.refused_unknown(served.name, _sender(served, head, request))
                if found.refusal == "unauthorized":
                    self._observer.unknown_key(served.name, http_rules.target_of(request).host)
            return found
        request.account = found.match.account.name
        if found.held is None:
            return await self._take(serving, served, request, found)
        with found.held:
            return await self._take(serving, served, request, found)

    async def _take(self, serving: Serving, served: ServedAggregator, request: Request, taken: Identified) -> Response:
        """Store the updates of a body whose account is known."""
        admission = self._admission
        if admission.under_way >= serving.limits.max_concurrent_requests:
            return answers.OVERLOADED
        account = taken.match.account
        received_at = int(self._wall() * 1000)
        content_type = request.headers.get("Content-Type", "")
        try:
            steps = parse_in_steps(
                served.reader,
                decode(taken.body, content_type) if taken.document is msgspec.UNSET else taken.document,
                taken.body,
                key=taken.match.key,
                other_keys=taken.match.others,
                received_at=received_at,
                content_type=content_type,
                most=serving.limits.max_updates_per_body,
            )
            parsed = await in_turns(steps)
        except TooManyUpdatesError as error:
            return answers.too_many_updates(error.most)
        if self._spool is not None and (parsed.updates or parsed.leftovers):
            return await self._spooled(self._spool, account, parsed, received_at)
        now = received_at / 1000
        if not parsed.updates:
            return (
                await self._keep(serving, account, parsed.leftovers, now, answers.PROBE)
                if parsed.leftovers
                else answers.PROBE
            )
        with self._span(request, account, parsed.updates, now) as trace:
            request.trace = trace
            selection = serving.selection(account)
            made = await in_turns(intake_in_steps(account, selection, parsed.updates, received_at, trace, nonce=_nonce))
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

    async def _spooled(self, spool: Spool, account: Account, parsed: Parsed, received_at: int) -> Response:
        """Store a request for the server that owns the journal, which finds the duplicates later."""
        self._admission.under_way += 1
        try:
            await spool.add(account, parsed, received_at)
        finally:
            self._admission.under_way -= 1
        answer = answers.stored(len(parsed.updates), 0)
        return answers.also_unrecognised(answer, len(parsed.leftovers)) if parsed.leftovers else answer

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


def _sender(served: ServedAggregator, head: Head, request: Request) -> str:
    """Tells senders without a known key apart: the digest of the key that it presents, otherwise its address."""
    key = next(filter(None, presented_keys(served, request.headers, head.query, head.path_key)), None)
    return request.peer if key is None else digest_key(key)
