"""Proves by a write that the journal can store, for the readiness probe of a server without traffic."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from trackpush_server.journal.model import JournalUnavailableError

_VALID_SECONDS: Final = 5.0
"""A commit is a valid proof for so long: probes arrive every second or two, and each write syncs the disk."""
_PATIENCE_SECONDS: Final = 2.0
"""Must be shorter than the 5 s that Kubernetes waits for a probe's response."""


class WriteProof:
    """Remembers the last commit, and writes if it is too old. Use it on the event loop."""

    def __init__(self) -> None:
        self._given_at = -_VALID_SECONDS
        self._asked: asyncio.Future[int] | None = None

    def given(self) -> None:
        """Call when a commit has reached the disk."""
        self._given_at = time.monotonic()

    async def give(self, write: Callable[[], asyncio.Future[int]]) -> str | None:
        """Write, unless a commit is recent; returns a message if the write takes too long, otherwise None.

        Overlapping probes share one write.
        """
        if time.monotonic() < self._given_at + _VALID_SECONDS:
            return None
        try:
            if self._asked is None or self._asked.done():
                self._asked = write()
            await asyncio.wait_for(asyncio.shield(self._asked), _PATIENCE_SECONDS)
        except TimeoutError:
            return f"a write has waited {_PATIENCE_SECONDS:.0f} s for the disk; look at the volume"
        except JournalUnavailableError:
            return None  # `unavailable` says why
        return None
