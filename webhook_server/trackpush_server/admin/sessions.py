"""Sessions of people who have logged in: kept in memory, identified by a random cookie, ended by time or logout.

Only the digest of the cookie's value is kept. A restart logs everybody out. People who logged in by token are logged
out when the token changes.
"""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import msgspec

from trackpush_server.admin.identity import Identity, Role

COOKIE: Final = "trackpush_session"
MOST_OF_A_ROLE = 500
"""Maximum number of sessions of one role. Beyond it, the longest idle one ends; view never ends those of operate."""
MOST_OF_AN_ACTOR = 100
"""Everybody who logs in with the same token is one actor."""
LIFETIME: Final = 8 * 3600.0
"""Seconds after which everybody logs in again."""
IDLE: Final = 3600.0
"""Seconds without a request."""


class _Session(msgspec.Struct):
    identity: Identity
    begun_at: float
    seen_at: float
    valid: Callable[[], bool]


class Sessions:
    """All sessions of one server."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()

    def begin(self, actor: str, role: Role, valid: Callable[[], bool] = lambda: True) -> str:
        """Begin a session; returns the cookie's value. It ends when ``valid`` returns False."""
        now = self._clock()
        value = secrets.token_urlsafe(32)
        who = Identity(actor=actor, role=role, via="session", csrf=secrets.token_urlsafe(32))
        self._sessions[_digest(value)] = _Session(who, now, now, valid)
        self._end_oldest(lambda session: session.identity.actor == actor, MOST_OF_AN_ACTOR)
        self._end_oldest(lambda session: session.identity.role == role, MOST_OF_A_ROLE)
        return value

    def _end_oldest(self, counts: Callable[[_Session], bool], most: int) -> None:
        keys = [key for key, session in self._sessions.items() if counts(session)]
        for key in keys[: max(len(keys) - most, 0)]:
            del self._sessions[key]

    def find(self, value: str | None) -> Identity | None:
        """The owner of a session that has not ended."""
        if not value:
            return None
        key, now = _digest(value), self._clock()
        session = self._sessions.get(key)
        if session is None:
            return None
        if now - session.begun_at > LIFETIME or now - session.seen_at > IDLE or not session.valid():
            del self._sessions[key]
            return None
        session.seen_at = now
        self._sessions.move_to_end(key)
        return session.identity

    def end(self, value: str | None) -> None:
        if value:
            self._sessions.pop(_digest(value), None)


def same(given: str, right: str) -> bool:
    """Whether two secrets are equal, in constant time; an empty secret equals nothing."""
    return bool(right) and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode())


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).digest()
