"""The services of a running server for the admin API and the console."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from trackpush_api.routing import RoutingTable
from trackpush_server.admin.health import Readiness
from trackpush_server.admin.identity import Identity
from trackpush_server.admin.undelivered import Undelivered
from trackpush_server.announcing.observer import UnreachableTarget
from trackpush_server.config.watch import Report
from trackpush_server.journal.model import NewAudit
from trackpush_server.journal.ports import AuditLog, PortalChangeStore
from trackpush_server.journal.search import JournalSearch
from trackpush_server.operations.drops import Drops
from trackpush_server.operations.erasures import Erasures
from trackpush_server.operations.inbox import InboxRetries
from trackpush_server.operations.portal_links import PortalLinks
from trackpush_server.operations.replays import Replays
from trackpush_server.operations.reseals import Reseals
from trackpush_server.operations.sample_notification import SampleNotifications
from trackpush_server.operations.sample_push import SamplePushes
from trackpush_server.outbound.answered import ShownAnswer
from trackpush_server.pusher.live import LivePush
from trackpush_server.pusher.observer import ChannelSnapshot
from trackpush_server.silence.activity import AccountActivity
from trackpush_server.telemetry.rollups import RollupCounts
from trackpush_server.telemetry.sampler import Sampler
from trackpush_server.telemetry.tail import Tail
from trackpush_server.telemetry.unknown_codes import CodeCounts
from trackpush_server.telemetry.unknown_keys import UnknownKeyCounts
from trackpush_server.telemetry.windows import Windows


class LiveLookup(Protocol):
    """Returns the live facts about one pending push."""

    def __call__(self, push_config: str, /, *, update_id: int, account: str, shipment: str) -> LivePush: ...


@dataclass(frozen=True, kw_only=True)
class AdminServices:
    """The services of one server."""

    lookup: JournalSearch
    """The searches in the journal for people."""
    audit_log: AuditLog
    replays: Replays
    drops: Drops
    erasures: Erasures
    reseals: Reseals
    inbox: InboxRetries
    test_pushes: SamplePushes
    test_notifications: SampleNotifications
    windows: Windows
    sampler: Sampler
    rollups: RollupCounts
    tail: Tail
    channels: Callable[[], tuple[ChannelSnapshot, ...]]
    live: LiveLookup
    portal_changes: PortalChangeStore
    try_now: Callable[[str, int], Awaitable[asyncio.Event]]
    """Starts an attempt: `Dispatcher.try_now`."""
    reopen: Callable[[str], bool]
    answer: Callable[[str, int, int], ShownAnswer | None]
    """Returns a recent answer: `Dispatcher.answer`."""
    flush: Callable[[], Awaitable[None]]
    """Returns when the outcomes so far are on disk."""
    table: Callable[[], RoutingTable | None]
    report: Callable[[], Report | tuple[str, ...]]
    """Returns the configuration report, or only its problems if no table is served."""
    unknown_codes: Callable[[], CodeCounts]
    unknown_keys: Callable[[], UnknownKeyCounts]
    readiness: Callable[[], Awaitable[Readiness]]
    undelivered: Callable[[], Undelivered]
    unreachable: Callable[[], tuple[UnreachableTarget, ...]]
    """Returns the targets of notifications that did not accept the last message."""
    activity: Callable[[], Awaitable[tuple[AccountActivity, ...]]]
    """Returns when each account's aggregator last sent an update, and which accounts are silent."""
    portal_links: PortalLinks
    portal_url: Callable[[], str | None]
    """Returns the URL of the portal, without a path; None if this server has no portal that people can reach."""
    wall: Callable[[], float] = time.time
    exports: list[str] = field(default_factory=list)
    """Who is running an export."""

    async def audit(self, who: Identity, action: str, target: str, address: str) -> None:
        """Record in the audit log who starts which action. ``target`` must contain no personal data.

        Raises:
            JournalUnavailableError: the audit log can't be written, so the action must not start.
        """
        await self.audit_log.add(
            NewAudit(
                at=int(self.wall() * 1000),
                actor=who.actor,
                role=who.role,
                action=action,
                target=target,
                address=address,
            )
        )
