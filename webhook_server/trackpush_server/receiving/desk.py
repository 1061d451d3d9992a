"""The main process's end of one link: passes appends to the journal in order, and returns the counts.

It runs for every update, in the same event loop as the pushes, so it does little work. It decodes each frame at once,
and sends all answers of one turn of the event loop as one frame.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from trackpush_server.journal.inbox import NewUnrecognised
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import UpdateLog
from trackpush_server.receiving import wire


class AppendRelay:
    """Relays the appends of one receiving process to the journal."""

    def __init__(self, journal: UpdateLog, send: Callable[[bytes], None]) -> None:
        self._journal = journal
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._answers: wire.Answers = []
        self._keeping: set[asyncio.Task[None]] = set()

    def take(self, payload: bytes) -> None:
        append, done = self._journal.append, self._done
        for number, updates in wire.read_appends(payload):
            try:
                append(updates).add_done_callback(partial(done, number))
            except JournalUnavailableError:
                self._answer(number, self._refusal())

    def take_unrecognised(self, payload: bytes) -> None:
        number, bodies = wire.read_keep(payload)
        task = self._loop.create_task(self._keep(number, bodies))
        self._keeping.add(task)
        task.add_done_callback(self._keeping.discard)

    async def _keep(self, number: int, bodies: Sequence[NewUnrecognised]) -> None:
        try:
            self._answer(number, await self._journal.keep(bodies))
        except JournalUnavailableError:
            self._answer(number, self._refusal())
        except BaseException:  # a bug: the request gets 503, and the loop's exception handler reports the bug
            self._answer(number, self._refusal())
            raise

    def _done(self, number: int, future: asyncio.Future[int]) -> None:
        if future.cancelled() or future.exception() is not None:
            self._answer(number, self._refusal())
        else:
            self._answer(number, future.result())

    def _refusal(self) -> int:
        return wire.OVERLOADED if self._journal.unavailable is None else wire.UNAVAILABLE

    def _answer(self, number: int, count: int) -> None:
        if not self._answers:
            self._loop.call_soon(self._flush)
        self._answers.append((number, count))

    def _flush(self) -> None:
        answers, self._answers = self._answers, []
        self._send(wire.answers(answers))
