"""PushConfig: one destination of one client."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from trackpush_api.kinds import patterns
from trackpush_api.kinds.base import (
    ATOMIC,
    MORE_THAN_ZERO,
    SET,
    AggregatorReferences,
    ApiModel,
    Code,
    Duration,
    PositiveDuration,
    SecretSource,
    all_defaults,
    also,
    checked_by,
    rule,
)
from trackpush_api.kinds.notification import Notifications
from trackpush_api.kinds.request_parts import UNIQUE_HEADERS, Header, Signing

_NO_PASSWORD = rule(
    "!self.matches('^https?://[^/?#]*@')", "write the URL without user and password, and set auth.basic instead"
)
_AT_MOST_TWO_MINUTES = rule(
    "self.contains('d') ? !self.matches('[1-9][0-9.]*d') : !self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$')"
    " || duration(self) <= duration('2m')",
    "must be at most 2m",
)
_ONE_AUTH = "set exactly one of basic, bearer and oauth2ClientCredentials"
_CERTIFICATE = "set certificate and privateKey together"
_RETRY = "set schedule or backoff, not both"


class BasicAuth(ApiModel):
    """HTTP basic authentication."""

    username: SecretSource = Field(description="User name.")
    password: SecretSource = Field(description="Password.")


class BearerAuth(ApiModel):
    """A fixed bearer token."""

    token: SecretSource = Field(description="Token, without the word Bearer.")


class OAuth2ClientCredentials(ApiModel):
    """A token from the client's authorization server."""

    token_url: str = Field(
        alias="tokenUrl",
        pattern=patterns.URL,
        max_length=2048,
        description="OAuth 2.0 token endpoint.",
        json_schema_extra=also(_NO_PASSWORD),
    )
    client_id: SecretSource = Field(description="Client id.")
    client_secret: SecretSource = Field(description="Client secret.")
    scopes: Annotated[list[Code], Field(max_length=32, json_schema_extra=SET)] = Field(
        [], description="Scopes to request."
    )


class Auth(ApiModel):
    """How Trackpush authenticates itself to the client."""

    model_config = checked_by(
        rule(
            "[has(self.basic), has(self.bearer), has(self.oauth2ClientCredentials)].filter(x, x).size() == 1", _ONE_AUTH
        )
    )

    basic: BasicAuth | None = Field(None, description="User name and password.")
    bearer: BearerAuth | None = Field(None, description="A fixed token.")
    oauth2_client_credentials: OAuth2ClientCredentials | None = Field(
        None, alias="oauth2ClientCredentials", description="OAuth 2.0 client credentials grant."
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.basic, self.bearer, self.oauth2_client_credentials].count(None) != 2:  # noqa: PLR2004 - one of three
            raise ValueError(_ONE_AUTH)
        return self


class Tls(ApiModel):
    """TLS settings for connections to the client. All values are PEM."""

    model_config = checked_by(rule("has(self.certificate) == has(self.privateKey)", _CERTIFICATE))

    ca: SecretSource | None = Field(None, description="Certificates to trust instead of the system's.")
    certificate: SecretSource | None = Field(None, description="Client certificate chain.")
    private_key: SecretSource | None = Field(None, description="Key of the client certificate.")

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError(_CERTIFICATE)
        return self


class PayloadSpec(ApiModel):
    """Format of the body of a push."""

    format: Literal["Canonical", "Raw", "CloudEvents"] = Field(
        "Canonical", description="Canonical notification, the aggregator's own body, or CloudEvents 1.0."
    )


class FilterSpec(ApiModel):
    """Selects the tracking updates to push; by default all."""

    statuses: Annotated[list[Code], Field(min_length=1, max_length=100, json_schema_extra=SET)] | None = Field(
        None, description="Statuses to push: canonical ones, or the aggregator's own codes."
    )
    directions: (
        Annotated[list[Literal["Forward", "RTO", "Reverse"]], Field(min_length=1, max_length=3, json_schema_extra=SET)]
        | None
    ) = Field(None, description="Directions of shipments to push.")
    aggregators: AggregatorReferences | None = Field(
        None, description="Aggregators whose updates to push, by name as in spec.aggregator."
    )
    expression: Annotated[str, Field(min_length=1, max_length=2048)] | None = Field(
        None,
        description="CEL expression over the canonical notification; its result is true or false; docs/filters.md.",
    )


class Backoff(ApiModel):
    """Increasing delays between the attempts of a push."""

    initial: Duration = Field("5s", description="Delay before the second attempt.")
    factor: Annotated[int, Field(ge=1, le=10)] = Field(2, description="Factor between successive delays.")
    max: Duration = Field("6h", description="Longest delay.")


class RetrySpec(ApiModel):
    """When failed pushes are sent again."""

    model_config = checked_by(rule("!(has(self.schedule) && has(self.backoff))", _RETRY))

    schedule: Annotated[list[Duration], Field(min_length=1, max_length=32, json_schema_extra=ATOMIC)] | None = Field(
        None, description="Delays before each further attempt; the last one repeats. Default 5s 30s 2m 10m 30m 2h 6h."
    )
    backoff: Backoff | None = Field(None, description="Exponential backoff instead of a schedule.")
    max_age: PositiveDuration = Field("72h", description="Age at which a pending push becomes dead.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.schedule is not None and self.backoff is not None:
            raise ValueError(_RETRY)
        return self


class RateLimitSpec(ApiModel):
    """Maximum number of attempts in a period."""

    requests: Annotated[int, Field(ge=1, le=100_000)] = Field(description="Number of attempts.")
    per: PositiveDuration = Field("1s", description="Period.")


class Delivery(ApiModel):
    """How pushes are sent."""

    timeout: Duration = Field(
        "10s",
        description="Time limit of one attempt; at most 2m.",
        json_schema_extra=also(MORE_THAN_ZERO, _AT_MOST_TWO_MINUTES),
    )
    retry: RetrySpec = Field(default_factory=all_defaults(RetrySpec), description="Retries.")
    max_concurrency: Annotated[int, Field(ge=1, le=256)] = Field(
        16, description="Maximum number of concurrent attempts."
    )
    rate_limit: RateLimitSpec | None = Field(None, description="Maximum rate of attempts.")
    ordering: Literal["PerShipment", "None"] = Field(
        "PerShipment", description="PerShipment: pushes of one shipment are sent one after the other, in order."
    )
    late_updates: Literal["Push", "Drop"] = Field(
        "Push", description="What to do with an update that is older than one already received for the same shipment."
    )


class PushConfigSpec(ApiModel):
    """One destination of one client."""

    url: str = Field(
        pattern=patterns.URL,
        max_length=2048,
        description="URL that pushes are posted to.",
        json_schema_extra=also(_NO_PASSWORD),
    )
    headers: Annotated[list[Header], Field(max_length=32, json_schema_extra=UNIQUE_HEADERS)] = Field(
        [], description="Headers of every push."
    )
    auth: Auth | None = Field(None, description="How Trackpush authenticates itself.")
    tls: Tls | None = Field(None, description="Private CA and client certificate.")
    signing: Signing | None = Field(None, description="Standard Webhooks signatures.")
    payload: PayloadSpec = Field(default_factory=all_defaults(PayloadSpec), description="Format of the body.")
    filter: FilterSpec = Field(default_factory=all_defaults(FilterSpec), description="Selects the updates to push.")
    delivery: Delivery = Field(default_factory=all_defaults(Delivery), description="How pushes are sent.")
    suspend: bool = Field(False, description="Stop sending: pushes wait, and none is lost.")
    notifications: Notifications = Field(
        [], description="Messages to people about this PushConfig and the accounts that send to it."
    )
