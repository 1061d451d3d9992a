"""Limits the rate of guesses at the admin token. A correct token never waits."""

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from trackpush_runtime.log_throttle import LogThrottle

SECONDS: Final = 0.2
"""Seconds between two answers to wrong guesses, over all callers: five answers per second."""
MOST_WAITING: Final = 20
"""Maximum number of delayed answers; further guesses are refused at once."""

_log = structlog.get_logger("trackpush.admin")


class TooManyGuessesError(Exception):
    """Too many wrong tokens are waiting for their answer."""


class Guesses:
    """The wrong tokens that a server received. Used on one event loop."""

    def __init__(self, on_wrong: Callable[[], None] = lambda: None) -> None:
        """``on_wrong`` counts each wrong guess."""
        self.on_wrong = on_wrong
        self._throttle = LogThrottle()
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def wrong(self, address: str) -> None:
        """Record a wrong token, and delay the answer.

        Raises:
            TooManyGuessesError: too many answers are already delayed.
        """
        self.on_wrong()
        held_back = self._throttle.allow("wrong")
        if held_back is not None:
            _log.warning("login_refused", address=address, reason="wrong token", held_back=held_back)
        if self._waiting >= MOST_WAITING:
            raise TooManyGuessesError
        self._waiting += 1
        try:
            async with self._turn:
                await asyncio.sleep(SECONDS)
        finally:
            self._waiting -= 1
