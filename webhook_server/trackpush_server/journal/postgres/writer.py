"""The writers: two connections that take turns at sending all that gathered meanwhile as one call.

While one call waits for the disk, the next gathers: group commit without a timer. A call whose answer was lost may be
stored or not. So its rows are neither refused nor sent again before the database was asked (`settle_v1`), which also
sees that the call, if it still waits somewhere, fails. Outcomes are kept until they are stored.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Sequence
from typing import Any

from trackpush_server.journal.port import Committed, JournalUnavailableError
from trackpush_server.journal.postgres import schema
from trackpush_server.journal.postgres.batch import Append, Batch, Entry, cleaned
from trackpush_server.journal.postgres.errors import cause, explain, is_certain, is_of_a_value
from trackpush_server.journal.postgres.names import Names
from trackpush_server.journal.postgres.order import InOrder
from trackpush_server.journal.postgres.queue import Queue
from trackpush_server.journal.postgres.session import Connector, Session
from trackpush_server.journal.queries import load
from trackpush_server.journal.sealing import Sealer

WRITERS = 2
_BACKOFF = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between tries to connect, ±20 %."""
_JITTER = 0.2
_SQL = load(f"{__package__}.sql", "writing")


class Stored:
    """What one call did."""

    def __init__(self, batch: Batch, committed: list[Committed], counts: list[int], seconds: float) -> None:
        self.batch = batch
        self.committed = committed
        self.counts = counts
        self.seconds = seconds


class Sent:
    """A call without an answer so far."""

    def __init__(self, batch: Batch, *, writer: int, number: int, call: int) -> None:
        self.batch = batch
        self.writer = writer
        self.number = number
        self.call = call
        self.begun = time.perf_counter()


class Writers:
    """Set the callbacks, `start`, and `stop` in the end."""

    def __init__(
        self, connector: Connector, queue: Queue, names: Names, sealer: Sealer, *, replica: int, fenced: bool
    ) -> None:
        self._connector = connector
        self._queue = queue
        self._names = names
        self._sealer = sealer
        self._replica = replica
        self._fenced = fenced
        self._order = InOrder[Stored](self._announce)
        self._batches = [0] * WRITERS
        self._failures = [0] * WRITERS
        """Since each of them stored something."""
        self._unsettled: list[Sent] = []
        self._sessions: set[Session] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = asyncio.Event()
        self._reason: str | None = "not started"
        self.tried = asyncio.Event()
        """Set after the first try to connect, whether it worked or not."""
        self.on_stored: Callable[[Stored], None] = _ignore
        self.on_refused: Callable[[Sequence[Append], Exception], None] = _ignore_two
        self.on_given_up: Callable[[int], None] = _ignore
        """So many outcomes can't be stored, ever."""
        self.on_state: Callable[[str | None], None] = _ignore

    def start(self) -> None:
        """Begin."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run(number)) for number in range(WRITERS)]

    @property
    def alive(self) -> bool:
        """Whether all of them run."""
        return bool(self._tasks) and not any(task.done() for task in self._tasks)

    async def stop(self) -> None:
        """Store what is queued, as far as the database takes it, then end."""
        self._stopping.set()
        self._queue.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sent in self._unsettled:
            self.on_refused(sent.batch.appends, JournalUnavailableError(self._reason or "the server is stopping"))
        self.on_refused(self._queue.drop_appends(), JournalUnavailableError(self._reason or "the server is stopping"))
        self._queue.abandon()

    async def _run(self, writer: int) -> None:
        while not await self._live(writer):
            if self._failures[writer] and self._stopping.is_set():
                return
            await self._pause(self._failures[writer])
            self._failures[writer] += 1

    async def _live(self, writer: int) -> bool:
        """The life of one connection; whether the queue has ended."""
        session = None
        try:
            session = await self._connect(writer)
            await self._serve(writer, session)
        except Exception as error:  # noqa: BLE001  whatever it is: requests must hear of it, and the writer lives on
            self._lost(session, error)
            return False
        await session.close()
        return True

    async def _pause(self, failures: int) -> None:
        """At once the first time: a connection may break without anything being wrong with the database."""
        if failures:
            pause = _BACKOFF[min(failures, len(_BACKOFF)) - 1] * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()

    async def _connect(self, writer: int) -> Session:
        session = await self._connector.connect()
        try:
            await schema.migrate(session.connection)
            await self._settle(session)
            await session.row(_SQL["settle"], self._replica, writer, self._batches[writer])
        except BaseException:
            session.terminate()
            raise
        self._sessions.add(session)
        self._set_reason(None)
        self.tried.set()
        return session

    def _lost(self, session: Session | None, error: Exception) -> None:
        """The database can't be reached or doesn't store. One writer's connection that broke is no outage."""
        if session is not None:
            session.terminate()
            self._sessions.discard(session)
            self._names.forget()
            if not is_certain(error):
                return  # it connects anew at once
        reason = explain(self._connector.dsn, error)
        refusal = JournalUnavailableError(reason)
        self.on_refused([append for sent in self._unsettled for append in sent.batch.appends], refusal)
        if is_certain(error) or all(one.closed for one in self._sessions):
            self._set_reason(reason)
            self.on_refused(self._queue.drop_appends(), refusal)
        self.tried.set()

    async def _serve(self, writer: int, session: Session) -> None:
        while True:
            entries = await self._queue.take()
            if not entries:
                return
            if session.closed:  # while it was idle: nothing was sent
                self._queue.put_back(entries)
                raise ConnectionResetError("the connection was closed")
            await self._store(writer, session, entries)
            await self._settle(session)

    async def _store(self, writer: int, session: Session, entries: Sequence[Entry]) -> None:
        try:
            await self._send(writer, session, Batch(entries))
        except Exception as error:
            if not is_of_a_value(error):
                raise
            await self._store_one_by_one(writer, session, entries)

    async def _store_one_by_one(self, writer: int, session: Session, entries: Sequence[Entry]) -> None:
        """A value in the batch can't be stored: store each entry alone, so that only that one is cleaned."""
        for place, entry in enumerate(entries):
            reason: Exception | None = None
            try:
                for attempt in (entry, cleaned(entry)):
                    try:
                        await self._send(writer, session, Batch([attempt]))
                    except Exception as error:
                        if not is_of_a_value(error):
                            raise
                        reason = JournalUnavailableError(
                            f"this can't be stored: {type(error).__name__}: {cause(error)}"
                        )
                    else:
                        reason = None
                        break
            except BaseException:
                self._queue.put_back(entries[place + 1 :])
                raise
            if reason is not None:
                self._refuse_for_good(entry, reason)

    def _refuse_for_good(self, entry: Entry, reason: Exception) -> None:
        self._queue.done([entry])
        if isinstance(entry, Append):
            self.on_refused([entry], reason)
        else:
            self.on_given_up(1)

    async def _send(self, writer: int, session: Session, batch: Batch) -> None:
        """Store a batch.

        Raises:
            Exception: it was not stored, or nobody knows (then it is among the unsettled).
        """
        try:
            await self._names.learn(session, accounts=batch.accounts, push_configs=batch.push_configs)
            columns = batch.columns(self._names, self._sealer)
        except Exception as error:
            if not is_of_a_value(error):
                self._queue.put_back(batch.entries)
            raise
        self._batches[writer] += 1
        sent = Sent(batch, writer=writer, number=self._batches[writer], call=self._order.sent())
        try:
            values = (self._replica, self._fenced, writer, sent.number, *columns)
            answer = await session.row(_SQL["append"], *values)
        except BaseException as error:
            if is_of_a_value(error):
                self._order.failed(sent.call)
            elif is_certain(error):
                self._order.failed(sent.call)
                self._queue.put_back(batch.entries)
            else:
                self._unsettled.append(sent)
            raise
        self._answered(sent, answer)

    async def _settle(self, session: Session) -> None:
        """Ask for the answers that were lost."""
        for sent in list(self._unsettled):
            answer = await session.row(_SQL["settle"], self._replica, sent.writer, sent.number)
            if sent not in self._unsettled:
                continue  # the other writer was faster
            self._unsettled.remove(sent)
            if answer is not None and answer["stored"]:
                self._answered(sent, answer)
            else:
                self._order.failed(sent.call)
                refused = [entry for entry in sent.batch.appends if entry.done.done()]
                self.on_refused(refused, JournalUnavailableError("nobody waits for it"))
                self._queue.put_back([entry for entry in sent.batch.entries if entry not in refused])
                self._queue.done(refused)

    def _answered(self, sent: Sent, answer: Any) -> None:
        self._failures[sent.writer] = 0
        committed, counts = sent.batch.committed(answer)
        stored = Stored(sent.batch, committed, counts, time.perf_counter() - sent.begun)
        self._order.answered(sent.call, answer["first_id"] or 0 if committed else 0, stored)

    def _announce(self, stored: Stored) -> None:
        try:
            self.on_stored(stored)
        finally:
            self._queue.done(stored.batch.entries)

    def _set_reason(self, reason: str | None) -> None:
        if reason != self._reason:
            self._reason = reason
            self.on_state(reason)


def _ignore(_: object) -> None:
    return


def _ignore_two(_: object, __: object) -> None:
    return
