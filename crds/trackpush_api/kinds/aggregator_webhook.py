"""AggregatorWebhook: one client's account at one aggregator."""

from typing import Annotated, Final

from pydantic import Field

from trackpush_api.kinds.base import (
    ATOMIC,
    SET,
    AggregatorReference,
    ApiModel,
    Code,
    Duration,
    Name,
    SecretSource,
    also,
    checked_by,
    list_map,
    rule,
)

LEAST_EXPECTED: Final = 60.0
MOST_EXPECTED: Final = 90 * 86_400.0
"""Limits of ``expectEvery`` in seconds."""
_EXPECTED = rule(
    "self.contains('d') ? self.matches('^0*([1-9]|[1-8][0-9])([.][0-9]+)?d([0-9]+([.][0-9]+)?(h|m|s|ms))*$')"
    " || self.matches('^0*90([.]0+)?d$')"
    " : !self.matches('^([0-9]+([.][0-9]+)?(ms|s|m|h))+$')"
    " || (duration(self) >= duration('1m') && duration(self) <= duration('2160h'))",
    "must be between 1m and 90d; write days first, such as 1d12h",
)


class ServerReference(ApiModel):
    """The WebhookServer that serves this account."""

    name: Name = Field(description="Name.")
    namespace: Name | None = Field(None, description="Namespace. Default: the resource's own.")


class PushConfigReference(ApiModel):
    """A PushConfig of the same namespace."""

    name: Name = Field(description="Name.")


class AggregatorWebhookSpec(ApiModel):
    """One client's account at one aggregator."""

    model_config = checked_by(
        rule(
            "self.aggregator == oldSelf.aggregator",
            "aggregator can't be changed: make another AggregatorWebhook, then delete this one",
        )
    )

    aggregator: AggregatorReference = Field(
        description="The aggregator: Clickpost, Shiprocket, Shipway, or the name of an AggregatorDefinition."
    )
    server_ref: ServerReference | None = Field(
        None,
        description="The WebhookServer. Default: the one in the same namespace, else the one in the operator's"
        " namespace.",
    )
    keys: Annotated[list[SecretSource], Field(min_length=1, max_length=8, json_schema_extra=ATOMIC)] = Field(
        description="Keys that identify the client. Several are valid at the same time, for rotation."
    )
    push_config_refs: (
        Annotated[list[PushConfigReference], Field(max_length=32, json_schema_extra=list_map("name"))] | None
    ) = Field(None, description="PushConfigs that get the updates. Default: all in the namespace.")
    statuses: Annotated[list[Code], Field(min_length=1, max_length=100, json_schema_extra=SET)] | None = Field(
        None, description="The aggregator's own status codes to push. Default: all."
    )
    expect_every: Duration | None = Field(
        None,
        description="Longest normal time between two updates, between 1m and 90d, such as 6h. If the aggregator sends"
        " none for so long, condition Receiving is False. Default: silence is not noticed.",
        json_schema_extra=also(_EXPECTED),
    )
    suspend: bool = Field(False, description="Store updates; their pushes wait.")
