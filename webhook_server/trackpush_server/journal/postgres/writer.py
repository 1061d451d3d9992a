"""The writer: sends one call at a time on one connection. Each stores the entries queued during the previous call.

Group commit without a timer. A second connection would not help: calls wait for each other at the counter's lock, and
each batch is smaller (measured: 20 % fewer updates with 25 % more of the database's CPU time). A call without a
response is unsettled: it may be stored or not. The writer asks the database first (`settle_v1`) before it refuses or
resends the entries; `settle_v1` also makes that call fail if it arrives later. Outcomes are kept until they are stored.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from trackpush_runtime.backoff import RetryDelays
from trackpush_server.journal.append_queue import Append, CommitResult
from trackpush_server.journal.last_updates import arrivals, is_due
from trackpush_server.journal.model import JournalUnavailableError, LostCommits
from trackpush_server.journal.named_sql import load
from trackpush_server.journal.postgres import schema
from trackpush_server.journal.postgres.access import PostgresAccess
from trackpush_server.journal.postgres.clock import SharedClock
from trackpush_server.journal.postgres.errors import cause, explain, is_certain, is_of_a_value
from trackpush_server.journal.postgres.session import Connector, Session
from trackpush_server.journal.postgres.write_batch import Entry, WriteBatch, cleaned
from trackpush_server.journal.postgres.write_queue import is_of_later
from trackpush_server.journal.single_entry import SingleEntry

_WRITER = 0
"""Number of the writer within this replica, which has only one."""
_RETRY_DELAYS = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between attempts to connect, ±20 %."""
_JITTER = 0.2
_LONG_SECONDS = 0.003
_SHARE = 0.25
_MOST_SECONDS = 0.005
"""After a call of at least `_LONG_SECONDS`, wait `_SHARE` of its duration, at most `_MOST_SECONDS`, before the next.
Clients that just got their responses send their next requests now, and these then share one call instead of two."""
_ALL = (1 << 63) - 1
_SQL = load(f"{__package__}.sql", "writing")


class SentBatch:
    """A call whose result has not been received."""

    def __init__(self, batch: WriteBatch, number: int) -> None:
        self.batch = batch
        self.number = number
        self.begun = time.perf_counter()


class PostgresWriter:
    """Writes the queue to the database. Call `start`, and `stop` at the end."""

    def __init__(
        self,
        connector: Connector,
        access: PostgresAccess,
        *,
        clock: SharedClock,
        fenced: bool,
        on_lost_commits: Callable[[LostCommits], None],
    ) -> None:
        """Create the writer.

        Args:
            connector: opens its connection.
            access: has the queue and the appends to resolve.
            clock: the clock of the updates' times.
            fenced: store outcomes only while this replica owns the slot of their PushConfig.
            on_lost_commits: called when the database lost commits, before the next write or announcement.
        """
        self._connector = connector
        self._queue = access.queue
        self._names = access.names
        self._sealer = access.sealer
        self._appends = access.appends
        self._history = access.history
        self._replica = access.replica
        self._on_lost_commits = on_lost_commits
        self._fenced = fenced
        self._clock = clock
        self._times_stored: dict[int, int] = {}
        """By number of an account: the time of its last update, as stored last."""
        self._number = 0
        """Number of the last call."""
        self._backoff = RetryDelays(*_RETRY_DELAYS, jitter=_JITTER)
        """Reset by each successful call."""
        self._unsettled: SentBatch | None = None
        self._task: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._kept_to = _ALL
        """In the unsettled call, outcomes of updates with a higher id are void: the id may belong to another update."""
        self._reason: str | None = "not started"
        self.tried = asyncio.Event()
        """Set after the first attempt to connect, successful or not."""

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    @property
    def alive(self) -> bool:
        """Whether the writer's task runs."""
        return self._task is not None and not self._task.done()

    def look_again(self) -> None:
        """Reconnect when the queue is empty, which checks whether the database was restarted or replaced."""
        self._queue.wake()

    async def stop(self) -> None:
        """Store the queued entries if the database is available, then end."""
        self._stopping.set()
        self._queue.stop()
        if self._task is not None:
            await asyncio.gather(self._task, return_exceptions=True)
        self._refuse(JournalUnavailableError(self._reason or "the server is stopping"))
        self._queue.abandon()

    async def _run(self) -> None:
        while not await self._live():
            if self._backoff.failures and self._stopping.is_set():
                return
            await self._pause()
            self._backoff.fail()

    async def _live(self) -> bool:
        """Connect and write until the connection fails (False) or the queue has ended (True)."""
        session = None
        try:
            session = await self._connect()
            await self._serve(session)
        except Exception as error:  # noqa: BLE001  on any error, requests must fail and the writer must continue
            self._lost(session, error)
            return False
        await session.close()
        return True

    async def _pause(self) -> None:
        """Pause before reconnecting, except after the first failure: often only the connection broke."""
        if self._backoff.failures:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._backoff.delay):
                    await self._stopping.wait()

    async def _connect(self) -> Session:
        session = await self._connector.connect()
        try:
            await schema.migrate(session.connection)
            self._queue.forget_wake()
            await self._resume(session)
            await self._settle(session)
        except BaseException:
            session.terminate()
            raise
        self._set_reason(None)
        self.tried.set()
        return session

    def _lost(self, session: Session | None, error: Exception) -> None:
        """Handle an error: a broken connection is only reopened; any other error makes the journal unavailable."""
        if session is not None:
            session.terminate()
            self._names.forget()
            if not is_certain(error):
                return
        reason = explain(self._connector.dsn, error)
        self._set_reason(reason)
        self._refuse(JournalUnavailableError(reason))
        self.tried.set()

    def _refuse(self, error: JournalUnavailableError) -> None:
        """Refuse all waiting requests. If the unsettled call turns out to be stored, its updates are announced then."""
        unsettled = [] if self._unsettled is None else self._unsettled.batch.appends
        self._appends.refuse([*unsettled, *self._queue.drop_appends()], error)

    async def _serve(self, session: Session) -> None:
        while True:
            entries = await self._queue.take()
            if not entries:
                if self._stopping.is_set():
                    return
                raise ConnectionResetError("the database may be another")
            if session.closed:  # closed while idle: these entries were not sent
                self._queue.put_back(entries)
                raise ConnectionResetError("the connection was closed")
            begun = time.perf_counter()
            await self._store(session, entries)
            await self._queue.gather(_company(time.perf_counter() - begun))

    async def _store(self, session: Session, entries: Sequence[Entry]) -> None:
        try:
            await self._send(session, WriteBatch(entries))
        except Exception as error:
            if not is_of_a_value(error):
                raise
            await self._store_one_by_one(session, entries)

    async def _store_one_by_one(self, session: Session, entries: Sequence[Entry]) -> None:
        """Store each entry alone, after a value of the batch was rejected, so that only its entry is cleaned."""
        for place, entry in enumerate(entries):
            single = SingleEntry(entry, cleaned)
            try:
                for attempt in single.attempts():
                    try:
                        await self._send(session, WriteBatch([attempt]))
                    except Exception as error:
                        if not is_of_a_value(error):
                            raise
                        single.reject(error, cause(error))
            except BaseException:
                self._queue.put_back(entries[place + 1 :])
                raise
            if single.refusal is not None:
                self._refuse_for_good(entry, single.refusal)

    def _refuse_for_good(self, entry: Entry, reason: Exception) -> None:
        self._queue.done([entry])
        if isinstance(entry, Append):
            self._appends.refuse([entry], reason)
        else:
            self._appends.give_up(1)

    async def _send(self, session: Session, batch: WriteBatch) -> None:
        """Store a batch.

        Raises:
            Exception: the batch was not stored, or that is unknown (then it is unsettled).
        """
        try:
            await self._names.learn(session, accounts=batch.accounts, push_configs=batch.push_configs)
            columns = batch.columns(self._names, self._sealer)
        except Exception as error:
            if not is_of_a_value(error):
                self._queue.put_back(batch.entries)
            raise
        self._number += 1
        sent = SentBatch(batch, self._number)
        try:
            arrived = self._arrived(batch)
            values = (
                self._replica, self._fenced, _WRITER, sent.number, *columns, self._history.token,
                list(arrived), list(arrived.values()),
            )  # fmt: skip
            if batch.timeless is None:
                answer = await session.row(_SQL["append"], *values)
            else:
                answer = await session.row(_SQL["append_timeless"], *values, batch.timeless)
        except BaseException as error:
            self._times_stored = {}
            if not (is_certain(error) or is_of_a_value(error)):
                self._unsettled = sent
            elif not is_of_a_value(error):
                self._queue.put_back(batch.entries)
            raise
        self._answered(sent, answer)

    def _arrived(self, batch: WriteBatch) -> dict[int, int]:
        """The times of accounts' last updates to store with this batch, of each account rarely: see `is_due`."""
        now, stored = int(self._clock() * 1000), self._times_stored
        numbers = {self._names.accounts[account]: at for account, at in arrivals(batch.updates).items()}
        due = {number: at for number, at in numbers.items() if is_due(stored.get(number), at, now)}
        stored.update(due)
        return due

    async def _resume(self, session: Session) -> None:
        """Check whether the database lost commits that this process has seen."""
        seen = self._history
        highest = seen.highest
        row = await session.row(_SQL["resume"], self._replica, _WRITER, seen.answered, seen.token, highest)
        seen.resumed(row)
        if not row["lost"]:
            return
        self._kept_to = min(self._kept_to, row["kept_to"])
        dropped = self._queue.drop_outcomes(row["kept_to"])
        self._appends.give_up(dropped)
        self._times_stored = {}
        self._on_lost_commits(LostCommits(kept_to=row["kept_to"], highest=highest, outcomes=dropped))

    async def _settle(self, session: Session) -> None:
        """Ask the database for the result of the unsettled call. This also registers the writer in the database."""
        sent = self._unsettled
        answer = await session.row(_SQL["settle"], self._replica, _WRITER, self._number)
        if sent is None:
            return
        self._unsettled = None
        kept_to, self._kept_to = self._kept_to, _ALL
        if answer is not None and answer["stored"]:
            self._answered(sent, answer)
            return
        refused = [entry for entry in sent.batch.appends if entry.done.done()]
        self._appends.refuse(refused, JournalUnavailableError("nobody waits for it"))
        void = [entry for entry in sent.batch.entries if is_of_later(entry, kept_to)]
        self._appends.give_up(len(void))
        given_up = [*refused, *void]
        self._queue.put_back([entry for entry in sent.batch.entries if entry not in given_up])
        self._queue.done(given_up)

    def _answered(self, sent: SentBatch, answer: Any) -> None:
        self._backoff.reset()
        committed, counts = sent.batch.committed(answer)
        self._history.answered = sent.number
        if committed:
            self._history.knows(self._history.token, committed[-1].update_id)
        self._appends.store(
            CommitResult(
                committed=committed,
                appends=list(zip(sent.batch.appends, counts, strict=True)),
                outcomes=len(sent.batch.outcomes),
                seconds=time.perf_counter() - sent.begun,
            )
        )
        self._queue.done(sent.batch.entries)

    def _set_reason(self, reason: str | None) -> None:
        if reason != self._reason:
            self._reason = reason
            self._appends.change_state(reason)


def _company(seconds: float) -> float:
    """Seconds to wait before the next call, after one that took ``seconds``."""
    return min(seconds * _SHARE, _MOST_SECONDS) if seconds >= _LONG_SECONDS else 0.0
