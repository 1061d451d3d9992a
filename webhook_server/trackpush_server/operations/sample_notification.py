"""Test messages: what a target of ``spec.notifications`` gets, without an event and without the journal.

A test message is rendered, signed and sent as a real one. It is not stored, not repeated, and changes no metric.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from trackpush_api.routing import AnnouncementTarget, RoutingTable, ServerSettings
from trackpush_api.vocabulary import ANNOUNCEMENT_KINDS, AnnouncementKind
from trackpush_server.announcing.events import AnnouncedEvent
from trackpush_server.announcing.messages import Announcement, TargetFormat, render
from trackpush_server.announcing.requests import destination_of, header_lines
from trackpush_server.operations.single_post import post_once
from trackpush_server.pusher import policy

MOST_RUNNING: Final = 2
"""Tests at the same time; each may send `trackpush_api.kinds.notification.MOST_NOTIFICATIONS` messages."""
_ID_BYTES: Final = 16


class SampleNotificationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Which notifications to test."""

    push_config: Annotated[str, Meta(min_length=3, max_length=512, pattern=r"^[^/]+/[^/]+$")] | None = None
    """``namespace/name`` of the PushConfig whose notifications to test; None: those of the WebhookServer."""
    name: Annotated[str, Meta(min_length=1, max_length=63)] | None = None
    """Name of one notification; None: all of them."""
    event: AnnouncementKind | None = None
    """The event that the message reports; None: the first one that the notification selects."""


class SampleNotificationView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A target's answer to a test message."""

    target: str
    """The resource and the notification, such as ``PushConfig/acme/oms/slack``."""
    id: str
    """Its ``webhook-id``."""
    format: TargetFormat
    event: AnnouncementKind
    delivered: bool
    http_status: int | None
    error: str | None
    duration_ms: float
    bytes: int
    signed: bool


class SampleNotificationViews(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The answers, in the order of the resource's list."""

    notifications: tuple[SampleNotificationView, ...]


class TooManySampleNotificationsError(Exception):
    """So many tests are running that another one must wait."""


class SampleNotifications:
    """Sends test messages."""

    def __init__(
        self,
        table: Callable[[], RoutingTable | None],
        *,
        console: str | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``console``: the console's URL in browsers, if known, for links."""
        self._table = table
        self._console = console
        self._wall = wall
        self._running = 0

    def find(self, request: SampleNotificationRequest) -> tuple[AnnouncementTarget, ...]:
        """The targets to test.

        Raises:
            LookupError: there is no such notification; the message is for people.
            TooManySampleNotificationsError: too many tests are running.
        """
        table = self._table()
        if table is None:
            raise LookupError("no configuration is served here")
        resource, targets = _targets(table, request.push_config)
        found = tuple(target for target in targets if request.name in {None, _name(target)})
        if not found:
            names = ", ".join(_name(target) for target in targets) or "none"
            wanted = "notifications" if request.name is None else f"notification {request.name}"
            raise LookupError(
                f"{resource} has no {wanted} that can be sent (found: {names}); add it to spec.notifications,"
                " and look for its errors in trackpush status"
            )
        if self._running >= MOST_RUNNING:
            raise TooManySampleNotificationsError(f"{MOST_RUNNING} tests are running; try again when one has ended")
        return found

    async def send(self, request: SampleNotificationRequest) -> SampleNotificationViews:
        """Send a message to each target at the same time. Raises the same errors as `find`."""
        targets = self.find(request)
        table = self._table()
        assert table is not None  # otherwise no target was found
        self._running += 1
        try:
            views = await asyncio.gather(*(self._send(target, request.event, table.server) for target in targets))
        finally:
            self._running -= 1
        return SampleNotificationViews(notifications=tuple(views))

    async def _send(
        self, target: AnnouncementTarget, event: AnnouncementKind | None, server: ServerSettings
    ) -> SampleNotificationView:
        now = self._wall()
        first = next(kind for kind in ANNOUNCEMENT_KINDS if kind in target.events)
        kind: AnnouncementKind = first if event is None else event
        message = Announcement(
            id=f"ann_{secrets.token_hex(_ID_BYTES)}",
            at=int(now * 1000),
            server=server.name,
            events=(sample_event(target, kind, int(now * 1000)),),
            console=self._console,
            test=True,
        )
        body = render(target.format, message)
        lines = header_lines(target, message.id, body, now, test=True)
        answer = await post_once(destination_of(target), server.egress, lines, body)
        delivered = policy.judge(answer) is policy.Verdict.DELIVERED
        return SampleNotificationView(
            target=target.name,
            id=message.id,
            format=target.format,
            event=kind,
            delivered=delivered,
            http_status=answer.status,
            error=None if delivered else policy.reason(answer),
            duration_ms=round(answer.duration * 1000, 1),
            bytes=len(body),
            signed=bool(target.signing),
        )


def sample_event(target: AnnouncementTarget, kind: AnnouncementKind, now: int) -> AnnouncedEvent:
    """A made-up event: about the target's PushConfig, or about an invented one; ``now`` in ms since the epoch."""
    owner, namespace, name = target.name.split("/", 3)[:3]
    is_account = kind in {"AccountSilent", "AccountUnrecognised"}
    own = f"{namespace}/{name}" if owner == "PushConfig" else "example/oms"
    return AnnouncedEvent(
        kind=kind,
        subject="AggregatorWebhook" if is_account else "PushConfig",
        name=f"{own.partition('/')[0]}/example" if is_account else own,
        since=now,
        reason="Test",
        message="An operator tries out this notification. You need not do anything.",
    )


def _targets(table: RoutingTable, push_config: str | None) -> tuple[str, Sequence[AnnouncementTarget]]:
    """The resource for messages, and its targets.

    Raises:
        LookupError: there is no such PushConfig.
    """
    if push_config is None:
        return f"WebhookServer {table.server.name}", table.server.announcement_targets
    destination = table.destination_by_name.get(push_config)
    if destination is None:
        raise LookupError(f"no PushConfig {push_config} is served here")
    return f"PushConfig {push_config}", destination.announcement_targets


def _name(target: AnnouncementTarget) -> str:
    """The entry's name: the last part."""
    return target.name.rpartition("/")[2]
