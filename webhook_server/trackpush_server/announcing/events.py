"""What a message to people is about. `messages` renders events; `detection` finds them."""

from typing import Literal

import msgspec

from trackpush_api.vocabulary import AnnouncementKind

EventSubject = Literal["PushConfig", "AggregatorWebhook"]


class AnnouncedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one subject. It contains neither personal data nor an endpoint's response."""

    kind: AnnouncementKind
    subject: EventSubject
    """The kind of resource that the event is about."""
    name: str
    """``namespace/name`` of the resource."""
    since: int
    """When it began, in milliseconds since the epoch. Of an `EndpointRecovered`: when the endpoint began to fail."""
    reason: str
    """One word for programs, as in the resource's conditions, such as ``EndpointFailing`` or ``Silent``."""
    message: str
    """One or two sentences for people."""
    number: int = 1
    """Of `PushesDead`: pushes that died since the last message. Of `AccountUnrecognised`: bodies that arrived."""
