"""A receiving process's journal: sends appends to the main process, which answers when they are on disk."""

import asyncio
from collections.abc import Callable, Sequence

from trackpush_server.journal.inbox import NewUnrecognised
from trackpush_server.journal.model import JournalUnavailableError, NewUpdate
from trackpush_server.receiving import wire

MOST_WAITING_BYTES = 32 * 1024 * 1024
"""Maximum bytes of updates for which the main process has not yet answered."""
_PER_UPDATE_BYTES = 512
_FRAME_BYTES = 256 * 1024
"""Maximum size of a frame; decoding a larger one would block the main process for too long."""


class RemoteJournal:
    """Implements `trackpush_server.journal.ports.UpdateLog`.

    The appends of one turn of the event loop are sent as one frame, and frames keep their order. Answers may come in
    another order. This is harmless, because an aggregator sends a shipment's next update only after the answer to the
    previous one.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.unavailable: str | None = None
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._batch: wire.Appends = []
        self._batch_bytes = 0
        self._waiting: dict[int, tuple[asyncio.Future[int], int]] = {}
        self._waiting_bytes = 0
        self._lost = False

    def append(self, updates: Sequence[NewUpdate]) -> asyncio.Future[int]:
        """Send one request's updates.

        If the main process refuses them or ends, the future fails with JournalUnavailableError. It is then unknown
        whether the updates were stored, and the aggregator must send them again.

        Raises:
            JournalUnavailableError: at once, if too much waits for an answer, or the main process has ended.
        """
        size = sum([len(update.body) + len(update.notification) + _PER_UPDATE_BYTES for update in updates])
        done = self._wait(size)
        if not self._batch:
            self._loop.call_soon(self._flush)
        elif self._batch_bytes + size > _FRAME_BYTES:
            self._send_batch()
        self._batch.append((self._number, tuple(updates)))
        self._batch_bytes += size
        return done

    async def keep(self, bodies: Sequence[NewUnrecognised]) -> int:
        """Send one request's unrecognised bodies, and wait for the answer; raises the same errors as `append`."""
        done = self._wait(sum([len(body.body) + _PER_UPDATE_BYTES for body in bodies]))
        self._send(wire.keep(self._number, tuple(bodies)))
        return await done

    def _wait(self, size: int) -> asyncio.Future[int]:
        """Create the future of the next request, whose number is ``self._number``."""
        if self._lost:
            raise JournalUnavailableError(self.unavailable or "")
        if self._waiting_bytes >= MOST_WAITING_BYTES:
            raise JournalUnavailableError(f"overloaded: {self._waiting_bytes} bytes wait for the main process")
        self._number += 1
        done: asyncio.Future[int] = self._loop.create_future()
        self._waiting[self._number] = (done, size)
        self._waiting_bytes += size
        return done

    def answered(self, payload: bytes) -> None:
        for number, count in wire.read_answers(payload):
            done, size = self._waiting.pop(number)
            self._waiting_bytes -= size
            self.unavailable = "the main process can't store now" if count == wire.UNAVAILABLE else None
            if done.done():
                continue
            if count < 0:
                _fail(done, self.unavailable or "overloaded: too much waits for the disk")
            else:
                done.set_result(count)

    def lose(self) -> None:
        self._lost = True
        self.unavailable = "the main process is gone"
        self._batch = []
        for done, _ in self._waiting.values():
            if not done.done():
                _fail(done, self.unavailable)
        self._waiting = {}

    def _flush(self) -> None:
        if self._batch:
            self._send_batch()

    def _send_batch(self) -> None:
        self._send(wire.appends(self._batch))
        self._batch = []
        self._batch_bytes = 0


def _fail(done: asyncio.Future[int], reason: str) -> None:
    done.set_exception(JournalUnavailableError(reason))
    done.exception()  # mark the exception as retrieved: the client may have hung up, so that nobody awaits it
