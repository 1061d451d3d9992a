"""Creates, starts and stops the parts of a server that depend on options or on several other parts."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable

from trackpush_api.routing import RoutingTable
from trackpush_runtime.errors import UnusableDataError
from trackpush_server.admin.desk import AdminServices
from trackpush_server.announcing.announcer import Announcer
from trackpush_server.announcing.looking import ServerFacts
from trackpush_server.announcing.sending import MessageSender
from trackpush_server.config.resources import ResourceFolder
from trackpush_server.config.source import Source
from trackpush_server.journal.model import JournalUnavailableError
from trackpush_server.journal.ports import Journal, PushQueue, UpdateLog
from trackpush_server.journal.sealing import Sealer
from trackpush_server.journal.slots import Ownership
from trackpush_server.journal.sqlite import SqliteJournal
from trackpush_server.operations.operations import Operations
from trackpush_server.operations.portal_links import PortalLinks
from trackpush_server.operations.sample_notification import SampleNotifications
from trackpush_server.operations.sample_push import SamplePushes
from trackpush_server.options import ServeOptions
from trackpush_server.outbound.port import Transport
from trackpush_server.portal.edit_folder import PortalFolder
from trackpush_server.pusher.dispatcher import Dispatcher
from trackpush_server.receiver.reception import Reception
from trackpush_server.receiving.port import InProcess, Receiving
from trackpush_server.receiving.supervisor import Supervisor
from trackpush_server.server_status import ServerStatus
from trackpush_server.silence.watch import SilenceWatch
from trackpush_server.spool.files import SpoolFiles
from trackpush_server.spool.read_in import SpooledFirst
from trackpush_server.table_swaps import TableSwaps
from trackpush_server.telemetry.metrics import Telemetry
from trackpush_server.telemetry.receivers import ReceiversTelemetry
from trackpush_server.telemetry.spool import SpoolTelemetry
from trackpush_server.tracing.port import Tracing

_FLUSH_GRACE = 5.0


@contextlib.asynccontextmanager
async def opened_journal(journal: Journal, options: ServeOptions) -> AsyncIterator[None]:
    """Start the journal; at the end, write the queued entries and close it.

    Raises:
        UnusableDataError: the folder can't be used, and the options don't request to wait for it.
    """
    try:
        await journal.start()
        _refuse_unusable_data(journal, options)
        yield
    finally:
        await journal.close()


def _refuse_unusable_data(journal: Journal, options: ServeOptions) -> None:
    """Raise UnusableDataError for an unusable folder, because this is a configuration error.

    A database may become available later.
    """
    reason = journal.unavailable
    if reason is None or options.wait or not isinstance(journal, SqliteJournal):
        return
    raise UnusableDataError(f"--data {options.data}: {reason.rpartition('; updates are refused')[0] or reason}")


@contextlib.asynccontextmanager
async def released_at_the_end(ownership: Ownership, pushes: PushQueue) -> AsyncIterator[None]:
    """At the end, store the outcomes, then release all slots, so that others take over."""
    try:
        yield
    finally:
        if not ownership.alone:
            # Store outcomes before releasing the slots: the database accepts outcomes only from the owner of the slot.
            with contextlib.suppress(TimeoutError, JournalUnavailableError):
                async with asyncio.timeout(_FLUSH_GRACE):
                    await pushes.flush()
        await ownership.stop()


@contextlib.asynccontextmanager
async def ready_to_receive(receiving: Receiving, bound: socket.socket) -> AsyncIterator[None]:
    """Start accepting requests; at the end, answer the requests in progress, then stop."""
    try:
        await receiving.start(bound)
        yield
    finally:
        await receiving.stop()


def make_spooled_first(
    journal: Journal,
    options: ServeOptions,
    *,
    sealer: Sealer,
    served: Callable[[], RoutingTable | None],
    telemetry: Telemetry,
) -> SpooledFirst | None:
    """Create the reader of the spool. Only SQLite's folder has one."""
    if not isinstance(journal, SqliteJournal):
        return None
    return SpooledFirst(
        SpoolFiles(options.data),
        updates=journal.updates,
        sealer=sealer,
        served=served,
        ingest=telemetry.ingest,
        telemetry=SpoolTelemetry(telemetry.registry),
    )


@contextlib.asynccontextmanager
async def reading_spool(spooled: SpooledFirst | None) -> AsyncIterator[None]:
    """Read the spool in, until the block ends; does nothing for None."""
    if spooled is None:
        yield
        return
    async with spooled.running():
        yield


async def read_spool_once(spooled: SpooledFirst | None) -> None:
    """Read in what was spooled until now, so that no request waits for it; does nothing for None."""
    if spooled is not None:
        with contextlib.suppress(JournalUnavailableError):  # it is tried again until it works
            await spooled.settle()


def make_receiving(
    options: ServeOptions, *, updates: UpdateLog, telemetry: Telemetry, tracing: Tracing | None
) -> Receiving:
    """Create the receiver: in this process, or in separate processes."""
    if not options.receivers:
        return InProcess(Reception(journal=updates, observer=telemetry.ingest, tracing=tracing))
    return Supervisor(
        receivers=options.receivers,
        journal=updates,
        telemetry=ReceiversTelemetry(telemetry.registry, receivers=options.receivers),
        unknown_codes=telemetry.ingest.unknown_codes,
        unknown_keys=telemetry.ingest.unknown_keys,
        log_format=options.log_format,
    )


def make_announcer(
    journal: Journal,
    transport: Transport,
    *,
    ownership: Ownership,
    dispatcher: Dispatcher,
    silence: SilenceWatch,
    telemetry: Telemetry,
    wall: Callable[[], float],
    console: str | None,
) -> Announcer:
    """Create the announcer of ``spec.notifications``; ``console``: the console's URL in browsers, if known."""
    return Announcer(
        journal.announcements,
        MessageSender(journal.announcements, transport, telemetry.announcements, wall=wall),
        ServerFacts(dispatcher.health, silence.of),
        ownership,
        telemetry.announcements,
        wall=wall,
        console=console,
    )


def portal_folder(source: Source) -> PortalFolder | None:
    """Where the portal writes changes of PushConfigs; None if the operator applies them."""
    return PortalFolder(source.folder, source.places_of) if isinstance(source, ResourceFolder) else None


def admin_services(
    *,
    journal: Journal,
    operations: Operations,
    telemetry: Telemetry,
    dispatcher: Dispatcher,
    tables: TableSwaps,
    status: ServerStatus,
    silence: SilenceWatch,
    portal_links: PortalLinks,
    portal_url: Callable[[], str | None],
    announcer: Announcer,
    console: str | None,
) -> AdminServices:
    """The services that the admin API and the console use; ``console``: its URL in browsers, if known."""
    return AdminServices(
        lookup=journal.search,
        audit_log=journal.audit,
        replays=operations.replays,
        drops=operations.drops,
        erasures=operations.erasures,
        reseals=operations.reseals,
        inbox=operations.retries,
        test_pushes=SamplePushes(lambda: tables.table),
        test_notifications=SampleNotifications(lambda: tables.table, console=console),
        windows=telemetry.windows,
        sampler=telemetry.sampler,
        rollups=telemetry.rollups,
        tail=telemetry.tail,
        channels=dispatcher.snapshot,
        live=dispatcher.live,
        portal_changes=journal.portal_changes,
        try_now=dispatcher.try_now,
        reopen=dispatcher.reopen,
        answer=dispatcher.answer,
        flush=journal.pushes.flush,
        table=lambda: tables.table,
        report=status.report,
        unknown_codes=telemetry.ingest.unknown_codes.counted,
        unknown_keys=telemetry.ingest.unknown_keys.counted,
        readiness=status.readiness,
        undelivered=status.undelivered,
        activity=silence.read,
        portal_links=portal_links,
        portal_url=portal_url,
        unreachable=announcer.unreachable,
    )
