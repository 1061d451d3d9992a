"""AggregatorWebhook: one client's account at one aggregator."""

from typing import Annotated

from pydantic import Field

from trackpush_api.kinds.base import ATOMIC, SET, ApiModel, Code, Name, SecretSource, checked_by, list_map, rule
from trackpush_api.vocabulary import Aggregator


class ServerReference(ApiModel):
    """The WebhookServer that serves this account."""

    name: Name = Field(description="Its name.")
    namespace: Name | None = Field(None, description="Its namespace; the resource's own by default.")


class PushConfigReference(ApiModel):
    """A PushConfig of the same namespace."""

    name: Name = Field(description="Its name.")


class AggregatorWebhookSpec(ApiModel):
    """One client's account at one aggregator."""

    model_config = checked_by(
        rule(
            "self.aggregator == oldSelf.aggregator",
            "aggregator can't be changed: make another AggregatorWebhook, then delete this one",
        )
    )

    aggregator: Annotated[Aggregator, Field(strict=False)] = Field(description="Which aggregator.")
    server_ref: ServerReference | None = Field(
        None,
        description="The WebhookServer. By default the one of the same namespace, else the one of the operator's"
        " namespace.",
    )
    keys: Annotated[list[SecretSource], Field(min_length=1, max_length=8, json_schema_extra=ATOMIC)] = Field(
        description="Keys that identify the client; several at once while rotating."
    )
    push_config_refs: (
        Annotated[list[PushConfigReference], Field(max_length=32, json_schema_extra=list_map("name"))] | None
    ) = Field(None, description="Where updates go; all PushConfigs of the namespace when absent.")
    statuses: Annotated[list[Code], Field(min_length=1, max_length=100, json_schema_extra=SET)] | None = Field(
        None, description="The aggregator's own codes to pass; all by default."
    )
    suspend: bool = Field(False, description="Updates are stored, their pushes wait.")
