"""The kinds of the group trackpush.dev: their models, and the other parts of their CustomResourceDefinitions."""

from collections.abc import Mapping
from typing import NamedTuple

from trackpush_api.kinds.aggregator_definition import NAMED, AggregatorDefinitionSpec
from trackpush_api.kinds.aggregator_webhook import AggregatorWebhookSpec
from trackpush_api.kinds.base import ApiModel
from trackpush_api.kinds.push_config import PushConfigSpec
from trackpush_api.kinds.webhook_server import WebhookServerSpec


class KindDefinition(NamedTuple):
    """A kind: names, model of ``spec``, its printer column, and CEL rules of the whole resource."""

    name: str
    plural: str
    short_name: str
    spec: type[ApiModel]
    column: tuple[str, str]
    rules: tuple[Mapping[str, str], ...] = ()


KINDS = {
    kind.name: kind
    for kind in (
        KindDefinition("PushConfig", "pushconfigs", "pcfg", PushConfigSpec, ("URL", ".spec.url")),
        KindDefinition("AggregatorWebhook", "aggregatorwebhooks", "aw", AggregatorWebhookSpec, ("URL", ".status.url")),
        KindDefinition("WebhookServer", "webhookservers", "whs", WebhookServerSpec, ("Replicas", ".status.replicas")),
        KindDefinition(
            "AggregatorDefinition",
            "aggregatordefinitions",
            "adef",
            AggregatorDefinitionSpec,
            ("Path", ".spec.path"),
            NAMED,
        ),
    )
}

__all__ = [
    "KINDS",
    "AggregatorDefinitionSpec",
    "AggregatorWebhookSpec",
    "KindDefinition",
    "PushConfigSpec",
    "WebhookServerSpec",
]
