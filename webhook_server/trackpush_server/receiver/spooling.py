"""The receiver's port to a spool: where a standby stores requests instead of in the journal."""

from typing import Protocol

from trackpush_aggregators import Parsed
from trackpush_api.routing import Account


class Spool(Protocol):
    """Stores requests for the server that owns the journal."""

    async def add(self, account: Account, parsed: Parsed, received_at: int) -> None:
        """Return when the request's updates and unrecognised bodies are on disk. ``received_at`` is in milliseconds.

        Raises:
            JournalUnavailableError: they could not be written.
        """
        ...
