"""The builders of the children's manifests, behind one interface."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.vocabulary import AggregatorName
from trackpush_operator.desired import Inputs, children
from trackpush_operator.desired.secrets import admin_token_secret, routing_secret
from trackpush_operator.kube.api import Api, Body
from trackpush_operator.kube.kinds import HTTP_ROUTES, SERVICE_MONITORS
from trackpush_operator.options import OperatorOptions

AggregatorPaths = Mapping[AggregatorName, str]


class Builders(NamedTuple):
    """Functions that build the children of a WebhookServer. They get it as the API server returns it."""

    children: Callable[[Body, WebhookServerSpec, frozenset[Api], frozenset[str], AggregatorPaths], list[Body]]
    """Returns all children except the Secrets, in the order in which they are applied.

    Takes the optional kinds that exist, the hosts that another WebhookServer owns, and the segments of URLs
    of all aggregators.
    """
    routing_secret: Callable[[Body, str, bytes], Body]
    """Takes the shard's name and content."""
    admin_token_secret: Callable[[Body, str], Body]
    """Builds the Secret of the admin token."""


def builders(options: OperatorOptions) -> Builders:
    """Builders that use the operator's options."""

    def build(
        server: Body,
        spec: WebhookServerSpec,
        served: frozenset[Api],
        withheld_hosts: frozenset[str],
        paths: AggregatorPaths,
    ) -> list[Body]:
        inputs = Inputs(
            server=server,
            spec=spec,
            image=options.image,
            image_pull_policy=options.image_pull_policy,
            image_pull_secrets=options.image_pull_secrets,
            has_service_monitor=SERVICE_MONITORS in served,
            has_http_route=HTTP_ROUTES in served,
            withheld_hosts=withheld_hosts,
            paths=paths,
            fixed_user=options.fixed_user,
            monitor_labels=dict(options.monitor_labels),
            operator_namespace=options.operator_namespace,
            operator_labels=dict(options.operator_labels),
        )
        return children(inputs)

    return Builders(children=build, routing_secret=routing_secret, admin_token_secret=admin_token_secret)
