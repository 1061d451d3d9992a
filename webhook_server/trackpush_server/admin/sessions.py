"""Sessions of people who have logged in.

They are kept in memory, identified by a random cookie, and ended by time or logout. The server keeps only the digest of
the cookie's value. A restart ends all sessions. A changed token ends the sessions of people who logged in with the old
one.
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
"""Maximum number of sessions of one role.

Above it, the longest idle session of this role ends; a session of the role view never ends one of the role operate.
"""
MOST_OF_AN_ACTOR = 100
"""Maximum number of sessions of one actor. All who log in with the same token are one actor."""
LIFETIME: Final = 8 * 3600.0
"""Maximum seconds of a session."""
IDLE: Final = 3600.0
"""Maximum seconds without a request."""


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
        """Start a session and return the cookie's value. The session ends when ``valid`` returns False."""
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
    """Whether two secrets are equal, compared in constant time; an empty secret equals nothing."""
    return bool(right) and hmac.compare_digest(given.encode("utf-8", "surrogateescape"), right.encode())


def _digest(value: str) -> bytes:
    return hashlib.sha256(value.encode("utf-8", "surrogateescape")).digest()
