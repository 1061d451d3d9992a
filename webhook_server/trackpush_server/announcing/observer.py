"""The announcer's observer, a Protocol. With it, the announcer imports no metrics."""

from typing import Protocol

import msgspec


class AnnouncementObserver(Protocol):
    """Called on the event loop; must be cheap and never raise."""

    def attempted(self, result: str) -> None:
        """Called after an attempt. ``result``: ``sent``, ``failed`` or ``given_up``."""
        ...

    def waits(self, messages: int) -> None:
        """Called after each round with the number of messages that are not sent yet."""
        ...


class UnreachableTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A target that did not accept the last attempt of a message."""

    name: str
    """`AnnouncementTarget.name`."""
    since: int
    """When the message was made, in milliseconds since the epoch."""
    tries: int
    error: str
    """Without the answer's text."""
