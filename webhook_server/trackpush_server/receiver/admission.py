"""Limits on requests in progress, so that overload leads to a 503 and never exhausts the memory.

Two things are limited separately: the number of complete requests, and the bytes of bodies that are still arriving.
Otherwise slow senders, which occupy many bytes for long, would take the places of complete requests.

Bodies of strangers (senders without a known key in headers or path) have their own share of bytes, so that they can't
use up the share of senders with a key. When a share is full, the body that arrives slowest is dropped first.

Two kinds of bodies count until their request is answered: signed bodies, because verifying them takes time, and bodies
of an aggregator whose limit is larger than the server's.
"""

import time
from collections.abc import Callable
from itertools import islice

ARRIVING_BYTES = 64 * 1024 * 1024
"""Maximum bytes of incomplete bodies of senders with a known key."""
STRANGERS_BYTES = 16 * 1024 * 1024
"""Maximum bytes of incomplete bodies of strangers, and also of signed bodies whose account is not known yet."""
_PEERS_PART = 4
"""One address may use at most a quarter of the strangers' share."""
_GRACE_SECONDS = 1.0
"""Seconds before a slow body may be dropped."""
_COMPARED = 32
"""Number of the oldest bodies of a share among which the slowest is searched."""
_LOOKED_AT = 1024
"""Maximum number of bodies that are examined to find the oldest ones of an address."""


class ArrivingBody:
    """An incomplete body. ``drop`` refuses it and stops reading it."""

    __slots__ = ("complete", "drop", "largest", "peer", "share", "size", "started")

    def __init__(
        self, share: "AdmissionShare", peer: str, largest: int, drop: Callable[[], None], started: float
    ) -> None:
        self.share = share
        self.peer = peer
        self.largest = largest
        self.drop = drop
        self.started = started
        self.size = 0
        self.complete = False
        """Whether it has arrived; then it is not dropped any more."""

    def hold(self, size: int) -> bool:
        """Count arrived bytes. Returns False, without counting them, if the share has no room for them."""
        return self.share.hold(self, size)

    def release(self) -> None:
        """Call when the body is complete or was given up."""
        self.share.release(self)


class AdmissionShare:
    """The incomplete bodies of one kind of sender, oldest first."""

    def __init__(self, most: int, *, most_of_a_peer: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.held = 0
        self._most_of_a_peer = most_of_a_peer
        self._clock = clock
        self._bodies: dict[ArrivingBody, None] = {}
        self._by_peer: dict[str, int] = {}

    def enter(self, peer: str, largest: int, drop: Callable[[], None]) -> ArrivingBody:
        """Add a body that begins to arrive; `ArrivingBody.release` removes it.

        ``largest`` is the size limit of one body in bytes: a single body always fits.
        """
        body = ArrivingBody(self, peer, largest, drop, self._clock())
        self._bodies[body] = None
        return body

    def hold(self, body: ArrivingBody, size: int) -> bool:
        while body in self._bodies:
            over_peer = self._by_peer.get(body.peer, 0) + size > max(self._most_of_a_peer, body.largest)
            if not over_peer and self.held + size <= max(self.most, body.largest):
                body.size += size
                self.held += size
                self._by_peer[body.peer] = self._by_peer.get(body.peer, 0) + size
                return True
            slowest = self._slowest(other_than=body, peer=body.peer if over_peer else None)
            if slowest is None:
                return False
            self.release(slowest)
            slowest.drop()
        return False

    def release(self, body: ArrivingBody) -> None:
        """Remove a body. Idempotent."""
        if body not in self._bodies:
            return
        del self._bodies[body]
        self.held -= body.size
        left = self._by_peer.get(body.peer, 0) - body.size
        if left > 0:
            self._by_peer[body.peer] = left
        else:
            self._by_peer.pop(body.peer, None)

    def _slowest(self, *, other_than: ArrivingBody, peer: str | None) -> ArrivingBody | None:
        now = self._clock()
        others = (
            body
            for body in islice(self._bodies, _LOOKED_AT)
            if body is not other_than and body.size and not body.complete and peer in {None, body.peer}
        )
        candidates = [body for body in islice(others, _COMPARED) if now - body.started >= _GRACE_SECONDS]
        return min(candidates, key=lambda body: body.size / (now - body.started), default=None)


class Admission:
    """Counts requests, on the event loop; each request that entered must also leave."""

    __slots__ = ("held", "known", "signed", "strangers", "under_way")

    def __init__(self, most_arriving_bytes: int = ARRIVING_BYTES, most_of_strangers: int = STRANGERS_BYTES) -> None:
        self.under_way = 0
        """Number of complete requests that wait for their commit."""
        self.known = AdmissionShare(most_arriving_bytes, most_of_a_peer=most_arriving_bytes)
        self.held = AdmissionShare(most_arriving_bytes, most_of_a_peer=most_arriving_bytes)
        """Of senders with a known key, where bodies count until the answer."""
        self.strangers = AdmissionShare(most_of_strangers, most_of_a_peer=max(most_of_strangers // _PEERS_PART, 1))
        self.signed = AdmissionShare(most_of_strangers, most_of_a_peer=max(most_of_strangers // _PEERS_PART, 1))
        """With a signature and without a known key: until the account is found."""
