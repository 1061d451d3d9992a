"""What the journal stores about messages to people: docs/notifications.md. Times are milliseconds since the epoch.

For each target it stores what was announced to it about each subject (`Announced`), the events that wait for the next
message (`CollectedEvent`), and at most one message that is not sent yet (`TargetState`). A row is changed only by a
caller that has read its newest version, so two replicas can't announce the same change.
"""

from typing import Literal

import msgspec

from trackpush_api.vocabulary import AnnouncementKind

KEPT_UNSEEN = 86_400_000
"""A target that no server is configured with for so long is forgotten. Until then it may return and continues."""
KEPT_UNCHANGED = 90 * 86_400_000
"""What was announced, and totals, are forgotten after so long without a change."""

EventSubject = Literal["PushConfig", "AggregatorWebhook"]


class AnnouncedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one subject. It contains neither personal data nor an endpoint's response."""

    kind: AnnouncementKind
    subject: EventSubject
    """The kind of resource that the event is about."""
    name: str
    """``namespace/name`` of the resource."""
    since: int
    """When it began, in milliseconds since the epoch.

    Of an `EndpointRecovered`: when the endpoint began to fail. Of counted events: when the latest push died or the
    latest body arrived.
    """
    reason: str
    """One word for programs, as in the resource's conditions, such as ``EndpointFailing`` or ``Silent``."""
    message: str
    """One or two sentences for people."""
    number: int = 1
    """Of `PushesDead`: pushes that died since the last message. Of `AccountUnrecognised`: bodies that arrived."""


class Announced(msgspec.Struct, frozen=True, kw_only=True):
    """What was announced to a target about a subject."""

    target: str
    """`AnnouncementTarget.name`."""
    subject: EventSubject
    name: str
    version: int
    """1, and one more with each change."""
    tenant: str = ""
    """UID of the subject's namespace, because a later namespace may have the same name; empty if unknown."""
    kind: str = ""
    """The kind of the announced problem that has not ended; empty: none."""
    since: int = 0
    """When that problem began."""
    total: int = 0
    """`SubjectTotal.total` that was announced."""
    counted_at: int = 0
    """When ``total`` was last announced."""
    changed_at: int = 0


class CollectedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that waits for its target's next message. A later event of the same kind and subject replaces it."""

    target: str
    seq: int
    """Ascending for each target."""
    kind: AnnouncementKind
    subject: EventSubject
    name: str
    since: int
    reason: str
    message: str
    number: int

    @property
    def event(self) -> AnnouncedEvent:
        return AnnouncedEvent(
            kind=self.kind,
            subject=self.subject,
            name=self.name,
            since=self.since,
            reason=self.reason,
            message=self.message,
            number=self.number,
        )


class TargetState(msgspec.Struct, frozen=True, kw_only=True):
    """One target: the window in which events are collected, and the message that is not sent yet."""

    target: str
    version: int = 1
    seen_at: int
    """When a server was last configured with this target."""
    width: int = 0
    """Length of the window in milliseconds; 0: the next event is sent at once."""
    until: int = 0
    """End of the window."""
    message_id: str | None = None
    """``ann_…``: the webhook-id of each attempt; None: no message waits."""
    created_at: int = 0
    due_at: int = 0
    """When the next attempt is due."""
    tries: int = 0
    error: str | None = None
    """Why the last attempt failed, without the answer's text."""


class SubjectTotal(msgspec.Struct, frozen=True, kw_only=True):
    """How many pushes of a PushConfig died, or how many unrecognised bodies of an account arrived, ever."""

    subject: EventSubject
    name: str
    total: int
    last_at: int


class AnnouncementRows(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is stored about the messages, without the messages' bodies."""

    targets: tuple[TargetState, ...] = ()
    announced: tuple[Announced, ...] = ()
    collecting: frozenset[str] = frozenset()
    """Targets with collected events."""


class MessageRecord(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a message that is not sent yet, for a copy of the journal."""

    target: str
    body: bytes
