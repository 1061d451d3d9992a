"""The standby's side of the spool: everything that waits is written and synced at once."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator

from trackpush_aggregators import Parsed
from trackpush_api.routing import Account
from trackpush_runtime.background import end
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.sealing import Sealer
from trackpush_server.spool.arrival import SpooledRequest, line_of, without_keys
from trackpush_server.spool.files import SpoolFiles

_ID_BYTES = 12


class SpoolWriter:
    """See `trackpush_server.receiver.spooling.Spool`."""

    def __init__(self, files: SpoolFiles, sealer: Sealer) -> None:
        self.unavailable: str | None = None
        """Why the last write failed; None if it worked."""
        self._refused = 0
        """Bytes of the largest line of the last failed write."""
        self._files = files
        self._sealer = sealer
        self._waiting: list[tuple[bytes, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()

    async def add(self, account: Account, parsed: Parsed, received_at: int) -> None:
        """Return when the request is on disk.

        Raises:
            JournalUnavailableError: it could not be written.
        """
        arrival = SpooledRequest(
            id=secrets.token_hex(_ID_BYTES),
            account=without_keys(account),
            received_at=received_at,
            updates=parsed.updates,
            leftovers=parsed.leftovers,
        )
        await self._put(line_of(arrival, self._sealer))

    async def prove(self) -> str | None:
        """Try again after a failure whether as much can be written; returns why not, or None.

        A few bytes may fit into the last block of a file on a full disk.
        """
        if self.unavailable is not None:
            try:
                await asyncio.to_thread(self._files.prove, self._refused)
            except OSError as error:
                self.unavailable = _reason(error)
            else:
                self.unavailable = None
        return self.unavailable

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write until the block ends. Stop to receive before that."""
        await asyncio.to_thread(self._files.prepare)
        task = asyncio.create_task(self._write())
        try:
            yield
        finally:
            await end(task)

    async def _put(self, line: bytes) -> None:
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((line, done))
        self._arrived.set()
        await done

    async def _write(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch, self._waiting = self._waiting, []
            try:
                await asyncio.to_thread(self._files.append, [line for line, _ in batch])
            except OSError as error:
                self.unavailable = _reason(error)
                self._refused = max(len(line) for line, _ in batch)
                for _, done in batch:
                    if not done.done():
                        done.set_exception(JournalUnavailableError(self.unavailable))
                        done.exception()  # nobody may wait for it: a client that hung up
            else:
                self.unavailable = None
                for _, done in batch:
                    if not done.done():
                        done.set_result(None)


def _reason(error: OSError) -> str:
    return f"the spool can't be written: {error.strerror or error}"
