"""Parts of a server: how those that depend on options or on several others are made, started and stopped."""

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Iterator

from trackpush_runtime.errors import UnusableDataError
from trackpush_server.admin.desk import AdminServices
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import Journal, PushQueue, UpdateLog
from trackpush_server.journal.slots import Ownership
from trackpush_server.journal.sqlite import SqliteJournal
from trackpush_server.operations.operations import Operations
from trackpush_server.options import ServeOptions
from trackpush_server.pusher.dispatcher import Dispatcher
from trackpush_server.receiver.reception import Reception
from trackpush_server.receiving.port import InProcess, Receiving
from trackpush_server.receiving.supervisor import Supervisor
from trackpush_server.server_status import ServerStatus
from trackpush_server.table_swaps import TableSwaps
from trackpush_server.telemetry.metrics import Telemetry
from trackpush_server.telemetry.receivers import ReceiversTelemetry
from trackpush_server.tracing.port import Tracing

_FLUSH_GRACE = 5.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_INTERRUPTED = 130


@contextlib.contextmanager
def set_at_signals(stop: asyncio.Event) -> Iterator[None]:
    """The first signal sets the event; a second one ends the process at once."""

    def on_signal() -> None:
        if stop.is_set():
            os._exit(_INTERRUPTED)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


@contextlib.asynccontextmanager
async def opened_journal(journal: Journal, options: ServeOptions) -> AsyncIterator[None]:
    """The journal writes what is queued and closes at the end.

    Raises:
        UnusableDataError: the folder can't be used, and the options don't say to wait.
    """
    try:
        await journal.start()
        _refuse_unusable_data(journal, options)
        yield
    finally:
        await journal.close()


def _refuse_unusable_data(journal: Journal, options: ServeOptions) -> None:
    """A database that is down may come up; a folder that can't be used is a mistake in its configuration."""
    reason = journal.unavailable
    if reason is None or options.wait or not isinstance(journal, SqliteJournal):
        return
    raise UnusableDataError(f"--data {options.data}: {reason.rpartition('; updates are refused')[0] or reason}")


@contextlib.asynccontextmanager
async def released_at_the_end(ownership: Ownership, pushes: PushQueue) -> AsyncIterator[None]:
    """Others take over what was cut; its outcomes are stored first, as they count from its owner only."""
    try:
        yield
    finally:
        if not ownership.alone:
            with contextlib.suppress(TimeoutError, JournalUnavailableError):
                async with asyncio.timeout(_FLUSH_GRACE):
                    await pushes.flush()
        await ownership.stop()


@contextlib.asynccontextmanager
async def ready_to_receive(receiving: Receiving, bound: socket.socket) -> AsyncIterator[None]:
    """Requests under way are answered at the end."""
    try:
        await receiving.start(bound)
        yield
    finally:
        await receiving.stop()


def make_receiving(
    options: ServeOptions, *, updates: UpdateLog, telemetry: Telemetry, tracing: Tracing | None
) -> Receiving:
    """What takes requests: this process, or processes of their own."""
    if not options.receivers:
        return InProcess(Reception(journal=updates, observer=telemetry.ingest, tracing=tracing))
    return Supervisor(
        receivers=options.receivers,
        journal=updates,
        telemetry=ReceiversTelemetry(telemetry.registry, receivers=options.receivers),
        log_format=options.log_format,
    )


def admin_services(
    *,
    journal: Journal,
    operations: Operations,
    telemetry: Telemetry,
    dispatcher: Dispatcher,
    tables: TableSwaps,
    status: ServerStatus,
) -> AdminServices:
    """What the admin API and the console use."""
    return AdminServices(
        lookup=journal.search,
        audit_log=journal.audit,
        replays=operations.replays,
        drops=operations.drops,
        erasures=operations.erasures,
        reseals=operations.reseals,
        inbox=operations.retries,
        windows=telemetry.windows,
        sampler=telemetry.sampler,
        tail=telemetry.tail,
        channels=dispatcher.snapshot,
        table=lambda: tables.table,
        report=status.report,
    )
