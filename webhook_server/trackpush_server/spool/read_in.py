"""The side of the journal's owner: reads the spool in, before it stores what it receives itself.

An aggregator sends the next update of a shipment after the answer to the one before. A standby answers when the line is
on disk, so whoever receives the next update finds the line. `SpooledFirst.append` looks for it before each append; this
look is all that keeps the order between the two processes, and it needs no clock and no connection between them.

A part of the spool is discarded when everything in it is in the journal. A crash before that leads to a second read,
whose updates are duplicates.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple

import msgspec

from trackpush_api.routing import Account, RoutingTable, Tenant
from trackpush_runtime.background import end
from trackpush_runtime.logs import where
from trackpush_server.journal.inbox import NewUnrecognised
from trackpush_server.journal.model import JournalUnavailableError, NewUpdate
from trackpush_server.journal.ports import UpdateLog
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.tenants import former_name
from trackpush_server.receiver.filters import FilterSelection
from trackpush_server.receiver.intake import Intake, intake_in_steps, joined, new_unrecognised
from trackpush_server.receiver.observer import ReceiverObserver
from trackpush_server.receiver.turns import in_turns
from trackpush_server.spool.arrival import BadLineError, SpooledRequest, arrival_of, nonces
from trackpush_server.spool.files import SpoolFiles
from trackpush_server.telemetry.spool import SpoolTelemetry

_LOOK: Final = 0.05
"""Seconds between two looks while nothing is received here."""
_AGAIN: Final = 0.5
"""Seconds after a failure."""
_TRIES: Final = 5
"""Of an append that the journal refuses although it is available."""


class _Read(NamedTuple):
    """A request of the spool, as it goes into the journal."""

    line: bytes
    arrival: SpooledRequest
    account: Account
    intake: Intake


class SpooledFirst:
    """Reads the spool in. As an `UpdateLog`, it stores updates after everything that was spooled before them."""

    def __init__(
        self,
        files: SpoolFiles,
        *,
        updates: UpdateLog,
        sealer: Sealer,
        served: Callable[[], RoutingTable | None],
        ingest: ReceiverObserver,
        telemetry: SpoolTelemetry,
    ) -> None:
        """``served`` gives the table in use, and None until all of its clients are bound in the journal."""
        self._files = files
        self._updates = updates
        self._sealer = sealer
        self._served = served
        self._ingest = ingest
        self._telemetry = telemetry
        self._reading = asyncio.Lock()
        self._next: asyncio.Task[None] | None = None
        """The next reading that has not begun; everybody who calls `settle` before it begins shares it."""
        self._is_behind = True
        """A part was taken and is not discarded yet, perhaps by an earlier process."""
        self._accounts: tuple[RoutingTable | None, dict[str, Account]] = (None, {})

    @property
    def unavailable(self) -> str | None:
        return self._updates.unavailable

    def append(self, updates: Sequence[NewUpdate]) -> asyncio.Future[int]:
        if not self._is_due:
            return self._updates.append(updates)
        return asyncio.get_running_loop().create_task(self._append_later(updates))

    async def keep(self, bodies: Sequence[NewUnrecognised]) -> int:
        return await self._updates.keep(bodies)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Read in what arrives, until the block ends."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            await end(task)
            await end(self._next)

    async def settle(self) -> None:
        """Return when everything that was spooled before this call is in the journal.

        Raises:
            JournalUnavailableError: it can't be read in now.
        """
        if self._next is None:
            self._next = asyncio.get_running_loop().create_task(self._read_next())
        await asyncio.shield(self._next)

    @property
    def _is_due(self) -> bool:
        return self._is_behind or self._files.has_arrivals

    async def _append_later(self, updates: Sequence[NewUpdate]) -> int:
        await self.settle()
        return await self._updates.append(updates)

    async def _run(self) -> None:
        while True:
            pause = _LOOK
            if self._is_due:
                try:
                    await self.settle()
                except JournalUnavailableError as error:
                    self._telemetry.waits(str(error))
                    pause = _AGAIN
            await asyncio.sleep(pause)

    async def _read_next(self) -> None:
        async with self._reading:
            self._next = None
            if self._is_due:
                await self._read_in()

    async def _read_in(self) -> None:
        """Read what an earlier reading left, then what has arrived."""
        files = self._files
        self._is_behind = True  # until everything is discarded, whatever happens
        try:
            for _ in range(2 if files.has_taken else 1):
                if await asyncio.to_thread(files.take):
                    await self._read_part()
                    await asyncio.to_thread(files.discard)
        except OSError as error:
            raise JournalUnavailableError(f"the spool can't be read in: {error.strerror or error}") from None
        self._is_behind = False

    async def _read_part(self) -> None:
        batches = self._files.batches()
        while (lines := await asyncio.to_thread(next, batches, None)) is not None:
            rejected: list[bytes] = []
            by_aggregator: dict[str, list[_Read]] = {}
            for line in lines:
                read = await self._read(line)
                if read is None:
                    rejected.append(line)
                else:
                    by_aggregator.setdefault(read.account.aggregator, []).append(read)
            for reads in by_aggregator.values():
                rejected += await self._store(reads)
            if rejected:
                await asyncio.to_thread(self._files.reject, rejected)

    async def _read(self, line: bytes) -> _Read | None:
        """A line's request; None if it can't be read."""
        try:
            arrival = arrival_of(line, self._sealer)
            account, selection = self._target(arrival)
            steps = intake_in_steps(account, selection, arrival.updates, arrival.received_at, nonce=nonces(arrival))
            made = await in_turns(steps)
            await asyncio.sleep(0)  # other work gets a turn between two lines, too
            return _Read(line, arrival, account, made)
        except JournalUnavailableError:
            raise
        except BadLineError as error:
            self._telemetry.rejected(str(error))
        except Exception as error:  # noqa: BLE001  a bug: this line must not hold up all others
            self._telemetry.rejected(f"{type(error).__name__} at {where(error)}")
        return None

    async def _store(self, reads: Sequence[_Read]) -> list[bytes]:
        """Store requests of one aggregator; returns the lines of those that the journal can't take.

        They are one append, all or none: otherwise a later update could be stored without an earlier one.
        """
        rejected = []
        try:
            await self._store_at_once(reads)
        except _RefusedError:
            for read in reads:
                try:
                    await self._store_at_once([read])
                except _RefusedError:
                    self._telemetry.rejected("the journal refuses its values")
                    rejected.append(read.line)
        return rejected

    async def _store_at_once(self, reads: Sequence[_Read]) -> None:
        """Store requests in one commit.

        Raises:
            JournalUnavailableError: nothing can be stored now.
            _RefusedError: the journal is available and refuses them.
        """
        made = joined([read.intake for read in reads])
        if made.updates:
            accepted = await self._append(made.updates)
            self._ingest.stored(reads[0].account.aggregator, made, accepted)
        for read in reads:
            leftovers = read.arrival.leftovers
            if leftovers:
                received_at = read.arrival.received_at
                await self._updates.keep([new_unrecognised(read.account, left, received_at) for left in leftovers])
                self._ingest.unrecognised(read.account, leftovers)
        self._telemetry.read_in(len(reads))

    async def _append(self, updates: Sequence[NewUpdate]) -> int:
        for _ in range(_TRIES):
            try:
                return await self._updates.append(updates)
            except JournalUnavailableError:
                if self._updates.unavailable is not None:
                    raise
            await asyncio.sleep(_AGAIN)  # its queue is full, or it was unavailable for a moment
        raise _RefusedError

    def _target(self, arrival: SpooledRequest) -> tuple[Account, FilterSelection]:
        """The account as it is now, and its filters.

        An account that is gone is used as the standby knew it: an update that was answered with 200 is stored, and its
        pushes wait for their PushConfigs.
        """
        table = self._served()
        if table is None:
            raise JournalUnavailableError("the routing table isn't ready")
        if self._accounts[0] is not table:
            self._accounts = table, {account.name: account for account in table.accounts}
        then = arrival.account
        now = self._accounts[1].get(then.name)
        if now is None:
            return then, FilterSelection(then, table)
        if then.tenant is not None and now.tenant is not None and then.tenant.uid not in _uids(now.tenant):
            former = _of_former(then, then.tenant.uid)
            return former, FilterSelection(former, table)
        return now, FilterSelection(now, table)


class _RefusedError(Exception):
    """The journal is available, and refuses an append again and again."""


def _uids(tenant: Tenant) -> tuple[str | None, ...]:
    """The namespace objects whose updates belong to this one."""
    return tenant.uid, tenant.takes_over


def _of_former(account: Account, uid: str) -> Account:
    """An account of a namespace that was created again since: named as the journal names a former client's."""
    names = tuple(former_name(name, uid) for name in account.destinations)
    return msgspec.structs.replace(account, name=former_name(account.name, uid), destinations=names)
