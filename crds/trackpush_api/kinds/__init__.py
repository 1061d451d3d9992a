"""The three kinds of the group trackpush.dev: their models, and the other parts of their CustomResourceDefinitions."""

from typing import NamedTuple

from trackpush_api.kinds.aggregator_webhook import AggregatorWebhookSpec
from trackpush_api.kinds.base import ApiModel
from trackpush_api.kinds.push_config import PushConfigSpec
from trackpush_api.kinds.webhook_server import WebhookServerSpec


class KindDefinition(NamedTuple):
    """A kind: names, model of ``spec``, and its printer column."""

    name: str
    plural: str
    short_name: str
    spec: type[ApiModel]
    column: tuple[str, str]


KINDS = {
    kind.name: kind
    for kind in (
        KindDefinition("PushConfig", "pushconfigs", "pcfg", PushConfigSpec, ("URL", ".spec.url")),
        KindDefinition("AggregatorWebhook", "aggregatorwebhooks", "aw", AggregatorWebhookSpec, ("URL", ".status.url")),
        KindDefinition("WebhookServer", "webhookservers", "whs", WebhookServerSpec, ("Replicas", ".status.replicas")),
    )
}

__all__ = ["KINDS", "AggregatorWebhookSpec", "KindDefinition", "PushConfigSpec", "WebhookServerSpec"]
