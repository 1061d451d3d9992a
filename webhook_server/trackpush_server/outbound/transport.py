"""The transport: HTTP/1.1 on asyncio and httptools, one pool of connections per destination. Implements the port."""

import asyncio
import base64
import random
import time
import weakref
from collections.abc import Callable
from functools import partial

from trackpush_api.routing import Destination, Egress, OAuth2
from trackpush_server.outbound.alarms import Alarms
from trackpush_server.outbound.connection import BUFFER_SIZE
from trackpush_server.outbound.contexts import Contexts
from trackpush_server.outbound.dial import Dialler
from trackpush_server.outbound.exchange import Exchange
from trackpush_server.outbound.failures import AttemptError
from trackpush_server.outbound.guard import Guard, guard_for
from trackpush_server.outbound.oauth2.endpoint import TokenEndpoint
from trackpush_server.outbound.oauth2.sender import AuthorizingSender
from trackpush_server.outbound.oauth2.source import TokenSource
from trackpush_server.outbound.pool import ConnectionPool
from trackpush_server.outbound.port import Answer, Failure, Sender
from trackpush_server.outbound.proxy import parse_proxy
from trackpush_server.outbound.request import build_head, build_request
from trackpush_server.outbound.resolver import Lookup, Resolver, system_lookup
from trackpush_server.outbound.target import Target, parse_target


class HttpSender:
    """Sends to one destination."""

    def __init__(self, head: bytes, pool: ConnectionPool) -> None:
        self._head = head
        self._pool = pool
        self._loop = asyncio.get_running_loop()

    def post(self, headers: bytes, body: bytes) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = self._loop.create_future()
        self._pool.submit(Exchange(build_request(self._head, headers, body), future))
        return future

    async def close(self) -> None:
        await self._pool.close()


class RefusingSender:
    """The sender of an unusable destination: every attempt fails immediately with the same reason."""

    def __init__(self, failure: Failure, detail: str) -> None:
        self._answer = Answer(failure=failure, detail=detail, is_permanent=True)

    def post(self, headers: bytes, body: bytes) -> asyncio.Future[Answer]:
        del headers, body
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        future.set_result(self._answer)
        return future

    async def close(self) -> None:
        """Nothing to do."""


def _always(_: str) -> bool:
    return True


class HttpTransport:
    """Creates senders; owns the resolver and the TLS contexts. Used on one event loop."""

    def __init__(
        self,
        lookup: Lookup = system_lookup,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
        may_send: Callable[[str], bool] = _always,
    ) -> None:
        """``clock`` (seconds, monotonic) measures the age of tokens; ``chance``, uniform in [0, 1), spreads renewals.

        ``may_send`` is called with the destination's name immediately before a request's bytes are written; if it
        returns False, the attempt ends as `Failure.FENCED`.
        """
        self._may_send = may_send
        self._resolver = Resolver(lookup)
        self._contexts = Contexts()
        self._buffer = memoryview(bytearray(BUFFER_SIZE))
        self._alarms = Alarms()
        self._clock = clock
        self._chance = chance
        self._pools: weakref.WeakSet[ConnectionPool] = weakref.WeakSet()
        self._sources: weakref.WeakSet[TokenSource] = weakref.WeakSet()

    def sender(self, destination: Destination, egress: Egress) -> Sender:
        """A sender for this version of a destination.

        Never raises. If the destination is unusable (its URL, a header, the egress settings), every attempt fails with
        the reason. Other destinations are unaffected.
        """
        try:
            return self._sender(destination, egress)
        except AttemptError as error:
            return RefusingSender(error.failure, error.detail)
        except ValueError as error:
            return RefusingSender(Failure.DENIED, str(error))

    def _sender(self, destination: Destination, egress: Egress) -> Sender:
        target = parse_target(destination.url)
        guard = guard_for(egress)
        guard.check_target(target)
        secrets = secrets_of(destination)
        pool = ConnectionPool(
            self._dialler(target, guard, destination, egress),
            limit=destination.max_concurrency,
            timeout=destination.timeout,
            secrets=secrets,
            buffer=self._buffer,
            alarms=self._alarms,
            may_send=partial(self._may_send, destination.name),
        )
        sender = HttpSender(build_head(destination, target), pool)
        self._pools.add(pool)
        if destination.oauth2 is None:
            return sender
        source = self._tokens(destination.oauth2, guard, destination, egress)
        self._sources.add(source)
        return AuthorizingSender(sender, source, pool)

    def _dialler(self, target: Target, guard: Guard, destination: Destination, egress: Egress) -> Dialler:
        return Dialler(
            target=target,
            guard=guard,
            proxy=None if egress.proxy is None else parse_proxy(egress.proxy),
            tls=destination.tls,
            resolver=self._resolver,
            contexts=self._contexts,
        )

    def _tokens(self, credentials: OAuth2, guard: Guard, destination: Destination, egress: Egress) -> TokenSource:
        """The token source; the destination's guard, proxy and TLS apply to its token URL, too."""
        try:
            target = parse_target(credentials.token_url)
            guard.check_target(target)
        except AttemptError as error:
            raise AttemptError(error.failure, f"tokenUrl: {error.detail}") from error
        endpoint = TokenEndpoint(
            credentials,
            target,
            self._dialler(target, guard, destination, egress),
            timeout=destination.timeout,
            secrets=secrets_of(destination),
        )
        return TokenSource(destination.name, endpoint.ask, clock=self._clock, chance=self._chance)

    async def close(self) -> None:
        await asyncio.gather(*(source.close() for source in list(self._sources)))
        await asyncio.gather(*(pool.close() for pool in list(self._pools)))
        await self._resolver.close()


def secrets_of(destination: Destination) -> tuple[str, ...]:
    """Secrets that no excerpt of a response may show: header values, credentials without scheme, token credentials."""
    values = [value for _, value in destination.headers]
    if destination.oauth2 is not None:
        values += [destination.oauth2.client_id, destination.oauth2.client_secret]
    credentials = [value.partition(" ")[2] for value in values if " " in value]
    basic = [part for value in values if value[:6].lower() == "basic " for part in _basic(value[6:].strip())]
    return (*values, *credentials, *basic)


def _basic(encoded: str) -> tuple[str, ...]:
    """The decoded ``user:password`` of Basic credentials, and its parts (RFC 7617)."""
    try:
        pair = base64.b64decode(encoded, validate=True).decode("utf-8", "surrogateescape")
    except ValueError:
        return ()
    user, _, password = pair.partition(":")
    url_safe = encoded.translate(str.maketrans("+/", "-_"))
    return (encoded.rstrip("="), url_safe.rstrip("="), pair, user, password)
