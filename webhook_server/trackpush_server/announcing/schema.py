"""A message in the format StandardWebhooks, and its JSON Schema. Within a version, only fields and values are added."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from trackpush_api.vocabulary import AnnouncementKind

VERSION: Final = 1
SCHEMA_ID: Final = f"https://trackpush.dev/schemas/message.v{VERSION}.json"
"""An identifier, not a URL to fetch: the schema is part of the docs."""


class EventView(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event of a message."""

    type: Annotated[AnnouncementKind, Meta(description="What happened.")]
    kind: Annotated[Literal["PushConfig", "AggregatorWebhook"], Meta(description="Kind of the resource.")]
    name: Annotated[str, Meta(description="NAMESPACE/NAME of the resource.")]
    client: Annotated[str, Meta(description="The resource's namespace.")]
    since: Annotated[
        str,
        Meta(
            description="When it began (RFC 3339). Of EndpointRecovered: when the endpoint began to fail. Of PushesDead"
            " and AccountUnrecognised: the time of the latest one."
        ),
    ]
    reason: Annotated[str, Meta(description="One word for programs, as in the resource's conditions.")]
    text: Annotated[str, Meta(description="What happened, for people, in one line.")]
    number: Annotated[
        int,
        Meta(description="Of PushesDead: pushes that died. Of AccountUnrecognised: bodies that came. Otherwise 1."),
    ]
    url: Annotated[str, Meta(description="The console's page about it; absent if the console's URL is unknown.")] = ""


class MessageData(msgspec.Struct, frozen=True, kw_only=True):
    """The contents of a message."""

    server: Annotated[str, Meta(description="NAMESPACE/NAME of the WebhookServer.")]
    text: Annotated[str, Meta(description="The message for people, in one line.")]
    test: Annotated[bool, Meta(description="true: the message only tries out the target, and nothing has happened.")]
    total: Annotated[int, Meta(description="Number of events; events lists at most the first 100.")]
    counts: Annotated[dict[AnnouncementKind, int], Meta(description="Number of events of each type.")]
    events: Annotated[list[EventView], Meta(description="The events, the most urgent ones first.")]


class MessageBody(msgspec.Struct, frozen=True, kw_only=True):
    """A message in the format StandardWebhooks."""

    id: Annotated[str, Meta(description="Equals the header webhook-id; the same in every attempt.")]
    type: Annotated[str, Meta(description="The type of the events; Several if they have different types.")]
    timestamp: Annotated[str, Meta(description="When the message was made (RFC 3339).")]
    data: MessageData


def message_schema() -> dict[str, Any]:
    """The schema, draft 2020-12. Unknown fields are allowed at every place."""
    _, components = msgspec.json.schema_components([MessageBody], ref_template="#/$defs/{name}")
    definitions = dict(components)
    body = definitions.pop("MessageBody")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        "title": "Message",
        "description": "A message of spec.notifications, format StandardWebhooks. Ignore unknown fields and values.",
        "type": "object",
        "properties": body["properties"],
        "required": body["required"],
        "$defs": definitions,
    }
