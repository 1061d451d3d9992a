"""The token source of one version of a destination: keeps the token and renews it early, one request at a time.

There is no timer. If a push finds the token due for renewal, it starts the renewal and is sent with the old token. If
there is no token, all pushes wait for the same request.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from trackpush_runtime.background import end
from trackpush_server.outbound.oauth2.reading import token_failure
from trackpush_server.outbound.oauth2.token import Grant, Token, make_token
from trackpush_server.outbound.port import Answer, Failure

RENEWAL_PAUSE = 5.0
"""Seconds between two attempts to renew a token that is still valid."""
REPLACEMENT_PAUSE = 1.0
"""Minimum seconds between two replacements of refused tokens, in case a client refuses all tokens."""

_log = structlog.get_logger("trackpush.outbound")


class TokenSource:
    """The tokens of one destination, on one event loop.

    ``clock`` in seconds, monotonic; ``chance`` uniform in [0, 1).
    """

    def __init__(
        self,
        name: str,
        ask: Callable[[], Awaitable[Grant | Answer]],
        *,
        clock: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        """``name``: the PushConfig's name for the log; ``ask`` gets a new token, see `endpoint.TokenEndpoint.ask`."""
        self._name = name
        self._ask = ask
        self._clock = clock
        self._chance = chance
        self._token: Token | None = None
        self._asking: asyncio.Task[Token | Answer] | None = None
        self._renew_at = 0.0
        self._replace_at = float("-inf")
        self._closed = False

    def current(self) -> Token | None:
        """The token to send with; None if a push must wait for one. Starts a renewal that is due."""
        token = self._token
        if token is None:
            return None
        now = self._clock()
        if now >= token.expires:
            return None
        if now >= self._renew_at and self._asking is None and not self._closed:
            self._renew_at = now + RENEWAL_PAUSE
            self._start()
        return token

    async def fresh(self) -> Token | Answer:
        """A new token, from the running request or a new one; or the reason why there is none."""
        if self._closed:
            return _closed()
        asking = self._asking or self._start()
        await asyncio.wait([asking])  # `wait` does not cancel the shared request when one waiting push is cancelled
        return _closed() if asking.cancelled() else asking.result()

    async def replace(self, refused: Token) -> Token | Answer | None:
        """A token other than this one, which the client refused; None if a request now would be useless.

        The refused token is used until there is another one, so one refused push does not delay other pushes.
        """
        if self._token is not None and self._token is not refused:
            return self._token
        if self._asking is None:
            now = self._clock()
            if now < self._replace_at:
                return None
            self._replace_at = now + REPLACEMENT_PAUSE
        return await self.fresh()

    async def close(self) -> None:
        """Cancel a running request; pushes that wait for it get RESET."""
        self._closed = True
        await end(self._asking)

    def _start(self) -> asyncio.Task[Token | Answer]:
        self._asking = asyncio.get_running_loop().create_task(self._run())
        return self._asking

    async def _run(self) -> Token | Answer:
        asked_at = self._clock()
        try:
            grant = await self._ask()
        finally:
            self._asking = None
        if isinstance(grant, Answer):
            self._tell(grant)
            return grant
        self._token = token = make_token(grant, asked_at=asked_at, chance=self._chance())
        self._renew_at = token.due
        return token

    def _tell(self, answer: Answer) -> None:
        """Log a failed renewal that no push reports, because the old token is still valid."""
        left = 0.0 if self._token is None else self._token.expires - self._clock()
        if left > 0:
            _log.warning(
                "token_renewal_failed", push_config=self._name, reason=answer.cause, still_valid_for=round(left, 1)
            )


def _closed() -> Answer:
    return token_failure(Failure.RESET.value, "the sender was closed")
