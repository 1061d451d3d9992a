"""Proves by a write that the journal can store, for the readiness of a server that nobody posts to."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from trackpush_server.journal.model import JournalUnavailableError

_VALID_SECONDS: Final = 5.0
"""A commit proves it for so long: probes come every second or two, and each write is a sync of the disk."""
_PATIENCE_SECONDS: Final = 2.0
"""Kubernetes waits 5 s for a probe's answer."""


class WriteProof:
    """When the journal last stored something. Used on the event loop."""

    def __init__(self) -> None:
        self._given_at = -_VALID_SECONDS
        self._asked: asyncio.Future[int] | None = None

    def given(self) -> None:
        """A commit has reached the disk."""
        self._given_at = time.monotonic()

    async def give(self, write: Callable[[], asyncio.Future[int]]) -> str | None:
        """Write, unless a commit is recent; why that did not end in time, or None. Overlapping probes share a write."""
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
