"""An entry of ``spec.notifications``: messages to people, without Prometheus. docs/notifications.md."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trackpush_api.kinds import patterns
from trackpush_api.kinds.base import SET, ApiModel, SecretSource, also, checked_by, list_map, rule
from trackpush_api.kinds.request_parts import UNIQUE_HEADERS, Header, Signing
from trackpush_api.vocabulary import ANNOUNCEMENT_KINDS, AnnouncementKind

MOST_NOTIFICATIONS = 8
_MOST_HEADERS = 8
_NO_PASSWORD = rule("!self.matches('^https?://[^/?#]*@')", "write the URL without user and password; use headers")
_ONE_URL = "set exactly one of url and urlFrom"
_SIGNED_SLACK = "remove signing, because Slack verifies no signatures; or use format: StandardWebhooks"


class NotificationSpec(ApiModel):
    """Where messages to people go, and which."""

    model_config = checked_by(
        rule("has(self.url) != has(self.urlFrom)", _ONE_URL),
        rule("!(has(self.signing) && has(self.format) && self.format == 'Slack')", _SIGNED_SLACK),
    )

    name: Annotated[str, Field(pattern=patterns.NAME, min_length=1, max_length=63)] = Field(
        description="Name, unique in this list. Messages that wait are kept under this name."
    )
    url: Annotated[str, Field(pattern=patterns.URL, max_length=2048, json_schema_extra=also(_NO_PASSWORD))] | None = (
        Field(None, description="URL that messages are posted to, if it is not secret.")
    )
    url_from: SecretSource | None = Field(
        None, description="The URL from a Secret. A Slack URL is a secret: whoever knows it can post to the channel."
    )
    format: Literal["StandardWebhooks", "Slack"] = Field(
        "StandardWebhooks",
        description="StandardWebhooks: JSON for a program. Slack: text for a channel of Slack, Mattermost and others.",
    )
    events: (
        Annotated[
            list[AnnouncementKind], Field(min_length=1, max_length=len(ANNOUNCEMENT_KINDS), json_schema_extra=SET)
        ]
        | None
    ) = Field(None, description="Events to send. Default: all.")
    signing: Signing | None = Field(
        None, description="Standard Webhooks signatures; only with format: StandardWebhooks."
    )
    headers: Annotated[list[Header], Field(max_length=_MOST_HEADERS, json_schema_extra=UNIQUE_HEADERS)] = Field(
        [], description="Headers of every message."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.url is None) == (self.url_from is None):
            raise ValueError(_ONE_URL)
        if self.signing is not None and self.format == "Slack":
            raise ValueError(_SIGNED_SLACK)
        return self


Notifications = Annotated[
    list[NotificationSpec], Field(max_length=MOST_NOTIFICATIONS, json_schema_extra=list_map("name"))
]
