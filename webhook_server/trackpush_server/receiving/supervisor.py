"""The main process's side of `--receivers N`: starts and supervises receiving processes, and sends them the table.

A process that ends is started again: at first immediately, then after growing delays. Meanwhile the kernel distributes
its connections among the other processes that listen. The supervisor kills a process that sends nothing for too long,
and then starts it again.
"""

import asyncio
import socket
from collections.abc import Sequence
from typing import Final

from trackpush_runtime import sockets
from trackpush_runtime.backoff import RetryDelays
from trackpush_runtime.errors import CannotStartError
from trackpush_runtime.logs import LogFormat
from trackpush_server.config.source import Loaded
from trackpush_server.journal.ports import UpdateLog
from trackpush_server.receiver.reception import REQUEST_GRACE
from trackpush_server.receiving import table
from trackpush_server.receiving.child import WorkerHandle
from trackpush_server.receiving.port import Take
from trackpush_server.telemetry import summed
from trackpush_server.telemetry.ingest import GAUGES
from trackpush_server.telemetry.receivers import ReceiversTelemetry
from trackpush_server.telemetry.summed import Samples
from trackpush_server.telemetry.unknown_codes import UnknownCodes
from trackpush_server.telemetry.unknown_keys import UnknownKeys

_RESTART_DELAYS: Final = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds before a process is started again. The first value applies after the process had run for `_WELL` seconds."""
_WELL: Final = 60.0
"""If a process ran for this many seconds, its next restart uses the first delay again."""
_START: Final = 60.0
"""Maximum seconds at the server's start until all processes listen."""
_LOOK: Final = 1.0
_MOST_SILENT: Final = 15
"""Number of checks without a sign of life before a process is killed.

Each check takes a turn of this process's event loop, so that a pause of this process does not count.
"""
_TABLE: Final = 30.0
"""Maximum seconds until a process serves a new table."""
_LAST: Final = 2.0
"""Maximum seconds until a drained process exits."""


class Supervisor:
    """Implements `trackpush_server.receiving.port.Receiving` with separate processes."""

    def __init__(
        self,
        *,
        receivers: int,
        journal: UpdateLog,
        telemetry: ReceiversTelemetry,
        unknown_codes: UnknownCodes,
        unknown_keys: UnknownKeys,
        log_format: LogFormat | None,
    ) -> None:
        self.connections = 0
        """Always empty; the counts of the processes' connections are in `samples`."""
        self.under_way = 0
        self._receivers = receivers
        self._journal = journal
        self._telemetry = telemetry
        self._unknown_codes = unknown_codes
        self._unknown_keys = unknown_keys
        self._log_format = log_format
        self._children: list[WorkerHandle | None] = [None] * receivers
        self._keepers: set[asyncio.Task[None]] = set()
        self._watching: asyncio.Task[None] | None = None
        self._failed: asyncio.Future[str] | None = None
        """Why a process can't start; only until all have started."""
        self._reserved: socket.socket | None = None
        self._packed: bytes | None = None
        self._number = 0
        self._opened = False
        self._stopping = False
        self._ended: Samples = {}
        """Sums of the counters of processes that have ended."""

        telemetry.accepting.set_function(lambda: self.count)

    @property
    def table_loaded(self) -> bool:
        return self._packed is not None

    @property
    def accepting(self) -> bool:
        return self.count > 0

    @property
    def count(self) -> int:
        return sum(child is not None and child.accepting.is_set() for child in self._children)

    def samples(self) -> Sequence[Samples]:
        """The sums over all processes, including ended ones; at most a second old."""
        return [self._ended, *(child.samples for child in self._running())]

    def prepare(self, loaded: Loaded) -> Take:
        """Pack the table for sending. Called in a thread."""
        served = loaded.table
        assert served is not None
        number = self._number = self._number + 1
        packed = table.pack(served, number=number, complete=loaded.complete, receivers=self._receivers)

        async def take() -> None:
            self._packed = packed
            summed.retain(self._ended, served.destination_by_name)
            await asyncio.gather(*(self._hand_over(child, packed, number) for child in self._running()))

        return take

    async def start(self, bound: socket.socket) -> None:
        """Start the processes.

        This process keeps the socket bound, so the address is reserved while none of them listens.
        """
        self._reserved = bound
        loop = asyncio.get_running_loop()
        self._failed = loop.create_future()
        self._keepers = {loop.create_task(self._keep(index)) for index in range(self._receivers)}
        self._watching = loop.create_task(self._watch())

    async def open(self) -> None:
        """Order all processes to listen, and wait until they do.

        Raises:
            CannotStartError: one of them ended, or does not listen in time.
        """
        assert self._failed is not None
        self._opened = True
        for child in self._running():
            child.open()
        opening = asyncio.ensure_future(self._until_all_accept())
        waiting: set[asyncio.Future[None] | asyncio.Future[str]] = {opening, self._failed}
        await asyncio.wait(waiting, timeout=_START, return_when=asyncio.FIRST_COMPLETED)
        if not opening.done():
            opening.cancel()
            why = self._failed.result() if self._failed.done() else f"not all of them listen within {_START:g} s"
            await self.stop()
            raise CannotStartError(f"--receivers {self._receivers}: {why}; its log lines above may have the reason")
        self._failed.cancel()

    async def stop(self) -> None:
        """Order all processes to drain, and wait until they have ended."""
        self._stopping = True
        if self._watching is not None:
            self._watching.cancel()
        for child in self._running():
            child.drain()
        _, left = await asyncio.wait(self._keepers, timeout=REQUEST_GRACE + _LAST) if self._keepers else ((), ())
        for child in self._running():
            child.kill()
        for keeper in left:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        if self._reserved is not None:
            self._reserved.close()

    def _running(self) -> list[WorkerHandle]:
        return [child for child in self._children if child is not None]

    async def _keep(self, index: int) -> None:
        """Keep one process running: whenever it ends, start it again."""
        loop = asyncio.get_running_loop()
        backoff = RetryDelays(*_RESTART_DELAYS)
        while not self._stopping:
            started = loop.time()
            try:
                why = f"ended with code {await self._run(index)}"
            except (OSError, CannotStartError) as error:
                why = f"can't be started: {error}"
            if self._stopping:
                return
            if self._failed is not None and not self._failed.done():
                self._failed.set_result(f"receiver {index} {why}")
                return
            if loop.time() - started >= _WELL:
                backoff.reset()
            pause = backoff.fail()
            self._telemetry.ended(index, why, pause)
            await asyncio.sleep(pause)

    async def _run(self, index: int) -> int:
        assert self._reserved is not None
        child = WorkerHandle(
            index=index,
            receivers=self._receivers,
            journal=self._journal,
            log_format=self._log_format,
            unknown_codes=self._unknown_codes,
            unknown_keys=self._unknown_keys,
        )
        child.silent = -int(_START)
        await child.start(sockets.share(self._reserved))
        self._telemetry.started(index, child.pid)
        self._children[index] = child
        try:
            if self._packed is not None:
                child.serve(self._packed)
            if self._opened:
                child.open()
            if self._stopping:
                child.drain()
            return await child.wait()
        finally:
            self._children[index] = None
            child.kill()
            summed.add(self._ended, summed.without(child.samples, GAUGES))

    async def _hand_over(self, child: WorkerHandle, packed: bytes, number: int) -> None:
        child.serve(packed)
        try:
            async with asyncio.timeout(_TABLE):
                await child.until_taken(number)
        except TimeoutError:  # do not keep a process that uses an old table
            self._telemetry.hangs(child.index, f"did not apply the routing table within {_TABLE:g} s")
            child.kill()

    async def _until_all_accept(self) -> None:
        while self.count < self._receivers:
            await asyncio.gather(*(child.accepting.wait() for child in self._running()))
            await asyncio.sleep(0)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_LOOK)
            for child in self._running():
                child.silent += 1
                if child.silent > _MOST_SILENT:
                    self._telemetry.hangs(child.index, f"was silent for {_MOST_SILENT} s")
                    child.silent = 0
                    child.kill()
