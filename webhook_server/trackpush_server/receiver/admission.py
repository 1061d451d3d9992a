"""Limits on requests in progress, so that overload gives a 503 and never exhausts the memory.

Requests count from the moment their body is complete; bodies that are still arriving count by their bytes. The two are
apart so that slow senders, which hold many bytes for long, can't take the places of whole requests.

Bodies of strangers (no known key in head or path) have a share of their own, so that they can't use up what senders
with a key need. When a share is full, the body that arrives slowest is dropped first.

Two kinds of bodies count until their request is answered: signed ones, because verifying them takes time, and those of
an aggregator with a larger limit than the server's.
"""

import time
from collections.abc import Callable
from itertools import islice

ARRIVING_BYTES = 64 * 1024 * 1024
"""Of incomplete bodies of senders with a known key."""
STRANGERS_BYTES = 16 * 1024 * 1024
"""Of incomplete bodies of strangers; and as many of signed bodies whose account is not found yet."""
_PEERS_PART = 4
"""One address may hold 1/4 of the strangers' share."""
_GRACE_SECONDS = 1.0
"""Seconds before a slow body may be dropped."""
_COMPARED = 32
"""The oldest bodies of a share, among which the slowest is looked for."""
_LOOKED_AT = 1024
"""Bodies that are looked at for the oldest ones of an address."""


class ArrivingBody:
    """An incomplete body. ``drop`` ends the wait for it."""

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
        """Count arrived bytes; False (and not counted) if there is no room for them."""
        return self.share.hold(self, size)

    def release(self) -> None:
        """The body is complete or given up."""
        self.share.release(self)


class AdmissionShare:
    """Incomplete bodies of one kind of sender, oldest first."""

    def __init__(self, most: int, *, most_of_a_peer: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.most = most
        self.held = 0
        self._most_of_a_peer = most_of_a_peer
        self._clock = clock
        self._bodies: dict[ArrivingBody, None] = {}
        self._by_peer: dict[str, int] = {}

    def enter(self, peer: str, largest: int, drop: Callable[[], None]) -> ArrivingBody:
        """One more body begins to arrive; it must leave by `ArrivingBody.release`.

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
        """Idempotent."""
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
    """Counts requests on the event loop; each one that entered must leave."""

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
