"""AggregatorWebhook: one client's account at one aggregator."""

from typing import Annotated

from pydantic import Field

from trackpush_api.kinds.base import (
    ATOMIC,
    SET,
    AggregatorReference,
    ApiModel,
    Code,
    Name,
    SecretSource,
    checked_by,
    list_map,
    rule,
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
    suspend: bool = Field(False, description="Store updates; their pushes wait.")
