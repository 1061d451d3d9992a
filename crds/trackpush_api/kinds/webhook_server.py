"""WebhookServer: one running server."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from trackpush_api.kinds import patterns
from trackpush_api.kinds.base import (
    ATOMIC,
    SET,
    AggregatorReferences,
    ApiModel,
    Cidr,
    Duration,
    Name,
    SecretKeySelector,
    SecretSource,
    all_defaults,
    checked_by,
    list_map,
    rule,
)
from trackpush_api.kinds.notification import Notifications
from trackpush_api.kubernetes_names import MOST_ANNOTATIONS
from trackpush_api.vocabulary import AggregatorName

_ONE_STORAGE = "set exactly one of sqlite and postgres"
_ONE_EXPOSE = "set exactly one of httpRoute, ingress and none"
_ONE_REPLICA = "SQLite serves one replica: set replicas to 1, or use storage.postgres"
_NO_SCALING = "SQLite serves one replica: remove autoscaling, or use storage.postgres"
_MINIMUM = "minReplicas is more than maxReplicas: lower it, or raise maxReplicas"
_STORAGE_STAYS = (
    "the kind of storage can't change while the server runs: set suspend: true, copy the journal (trackpush journal"
    " copy), then change storage"
)
_PORTAL_HOST = "portal.host is also in hosts: give the portal a host name of its own"
_SELECTOR = "set selector if from is Selector, and only then"

_POSTGRES = "(has({0}.storage) && has({0}.storage.postgres))"
"""A CEL expression. It allows that storage is absent, which means SQLite."""

LabelMap = Annotated[dict[str, Annotated[str, Field(max_length=253)]], Field(max_length=32)]

AnnotationMap = Annotated[dict[str, Annotated[str, Field(max_length=MOST_ANNOTATIONS)]], Field(max_length=64)]
"""Annotations. Values may be long: several ARNs of certificates, or a template for Vault's agent."""


class HostRule(ApiModel):
    """A host name, and the aggregators that use it."""

    host: Annotated[str, Field(pattern=patterns.HOST, max_length=253)] = Field(description="DNS name, lower case.")
    aggregators: AggregatorReferences | None = Field(
        None, description="Aggregators that post to this host, by name as in spec.aggregator. Default: all."
    )

    def serves(self, aggregator: AggregatorName) -> bool:
        return self.aggregators is None or aggregator in self.aggregators


class ParentReference(ApiModel):
    """A Gateway to attach to."""

    name: Name = Field(description="Name.")
    namespace: Name | None = Field(None, description="Namespace.")
    section_name: Name | None = Field(None, description="Name of one of its listeners.")


class HttpRoute(ApiModel):
    """Exposes the server by the Gateway API."""

    parent_refs: Annotated[list[ParentReference], Field(min_length=1, max_length=8, json_schema_extra=ATOMIC)] = Field(
        description="Gateways to attach the HTTPRoute to."
    )


class Ingress(ApiModel):
    """Exposes the server by an Ingress."""

    class_name: Name | None = Field(None, description="Ingress class.")
    tls_secret_name: Name | None = Field(None, description="Secret with the certificate.")
    annotations: AnnotationMap = Field({}, description="Annotations of the Ingress.")


class Nothing(ApiModel):
    """Creates no route to the Service: somebody else does."""


class Expose(ApiModel):
    """How aggregators reach the server."""

    model_config = checked_by(
        rule("[has(self.httpRoute), has(self.ingress), has(self.none)].filter(x, x).size() == 1", _ONE_EXPOSE)
    )

    http_route: HttpRoute | None = Field(None, alias="httpRoute", description="Gateway API; the recommended way.")
    ingress: Ingress | None = Field(None, description="Ingress.")
    none: Nothing | None = Field(None, description="Not exposed.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if [self.http_route, self.ingress, self.none].count(None) != 2:  # noqa: PLR2004 - one of three
            raise ValueError(_ONE_EXPOSE)
        return self


class SqliteSpec(ApiModel):
    """The embedded journal."""

    size: Annotated[str, Field(pattern=patterns.SIZE, max_length=20)] = Field("10Gi", description="Size of the volume.")
    storage_class_name: Name | None = Field(None, description="Storage class of the volume.")
    standby: bool = Field(
        False,
        description="Run a second pod on the same node, which accepts updates while the server's pod is replaced.",
    )


class PostgresSpec(ApiModel):
    """A journal in PostgreSQL."""

    dsn_secret_ref: SecretKeySelector = Field(description="Secret with the connection string.")


class Storage(ApiModel):
    """Where the journal is."""

    model_config = checked_by(rule("has(self.sqlite) != has(self.postgres)", _ONE_STORAGE))

    sqlite: SqliteSpec | None = Field(None, description="A file on a volume; one replica.")
    postgres: PostgresSpec | None = Field(None, description="A database; any number of replicas.")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.sqlite is None) == (self.postgres is None):
            raise ValueError(_ONE_STORAGE)
        return self


class RetentionSpec(ApiModel):
    """How long data is kept."""

    delivered: Duration = Field(
        "30d", description="Time for which delivered and dropped pushes are kept, and the ids that detect duplicates."
    )
    dead: Duration = Field("90d", description="Dead pushes.")
    unrecognised: Duration = Field(
        "7d",
        description="Time for which unrecognised bodies (known key, no shipment) are kept after they last arrived.",
    )


class EncryptionSpec(ApiModel):
    """Encryption of bodies in the journal."""

    keys: Annotated[list[SecretSource], Field(min_length=1, max_length=8, json_schema_extra=ATOMIC)] = Field(
        description="Keys, each 32 random bytes in base64. The first one encrypts; all of them decrypt."
    )
    decrypt_only: bool = Field(
        False, description="Store new bodies unencrypted, but still decrypt old ones. Use this to turn encryption off."
    )


class LimitsSpec(ApiModel):
    """Limits of the receiver."""

    max_body_bytes: Annotated[int, Field(ge=1024, le=67_108_864)] = Field(
        1_048_576, description="Size limit of a body."
    )
    max_updates_per_body: Annotated[int, Field(ge=1, le=100_000)] = Field(
        2_000, description="Maximum number of tracking updates in one body; a body with more gets 413."
    )
    header_timeout: Duration = Field("10s", description="Time limit for the request head.")
    body_timeout: Duration = Field("20s", description="Time limit for the body.")
    idle_timeout: Duration = Field("75s", description="Time that a connection may be idle between two requests.")
    max_connections: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10_000, description="Maximum number of open connections."
    )
    max_connections_per_peer: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None,
        description="Maximum number of open connections from one address. Default: half of maxConnections."
        " Behind a proxy, every connection comes from the proxy's address.",
    )
    max_concurrent_requests: Annotated[int, Field(ge=1, le=100_000)] = Field(
        1024, description="Maximum number of concurrent requests."
    )


class ScalingMetrics(ApiModel):
    """Names of the server's metrics in the cluster's metrics API; they depend on the rules of its adapter."""

    source: Literal["Pods", "External"] = Field(
        "Pods", description="Pods: the custom metrics API, one value for each pod. External: the external metrics API."
    )
    rate: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        "trackpush_ingest_requests_per_second", description="Name of the metric: aggregators' requests per second."
    )
    queue_age: Annotated[str, Field(min_length=1, max_length=253)] = Field(
        "trackpush_ready_queue_age_seconds",
        description="Name of the metric: age of the oldest push that could be sent, in seconds.",
    )
    match_labels: LabelMap = Field({}, description="Labels that select the metrics' series in the adapter.")


class Autoscaling(ApiModel):
    """Scales the number of pods by load. Only with PostgreSQL."""

    model_config = checked_by(
        rule("(has(self.minReplicas) ? self.minReplicas : 2) <= self.maxReplicas", _MINIMUM),
    )

    min_replicas: Annotated[int, Field(ge=1, le=64)] = Field(2, description="Minimum number of pods.")
    max_replicas: Annotated[int, Field(ge=1, le=64)] = Field(description="Maximum number of pods.")
    target_cpu_utilization_percentage: Annotated[int, Field(ge=1, le=100)] = Field(
        70,
        alias="targetCPUUtilizationPercentage",
        description="Target CPU use, in percent of the request, which is one CPU per process by default.",
    )
    target_rate: Annotated[int, Field(ge=1, le=1_000_000)] | None = Field(
        None, description="Target requests per second of each pod. Needs metrics.rate in the metrics API."
    )
    target_queue_age: Duration | None = Field(
        None,
        description="Target age of the oldest push that could be sent. Needs metrics.queueAge in the metrics API.",
    )
    metrics: ScalingMetrics = Field(
        default_factory=all_defaults(ScalingMetrics),
        description="Names of the metrics for targetRate and targetQueueAge.",
    )
    scaled_by: Literal["HorizontalPodAutoscaler", "Other"] = Field(
        "HorizontalPodAutoscaler",
        description="Other: create no HorizontalPodAutoscaler, for example because KEDA creates one.",
    )

    @model_validator(mode="after")
    def _minimum(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(_MINIMUM)
        return self


class EgressSpec(ApiModel):
    """Where pushes may go."""

    https_only: bool = Field(True, description="Refuse URLs with http.")
    allowed_cidrs: Annotated[list[Cidr], Field(max_length=64, json_schema_extra=SET)] = Field(
        [], alias="allowedCIDRs", description="Private address ranges that pushes may be sent to."
    )
    denied_cidrs: Annotated[list[Cidr], Field(max_length=64, json_schema_extra=SET)] = Field(
        [],
        alias="deniedCIDRs",
        description="Address ranges that pushes are never sent to, even if allowedCIDRs contains them.",
    )
    proxy: Annotated[str, Field(pattern=patterns.PROXY, max_length=512)] | None = Field(
        None, description="HTTP proxy (CONNECT) for all pushes."
    )


class PortalSpec(ApiModel):
    """The portal: pages for the clients' own people, behind signed links."""

    host: Annotated[str, Field(pattern=patterns.HOST, max_length=253)] = Field(
        description="DNS name of the portal, lower case. No aggregator uses it. It is exposed as the other hosts are."
    )
    edit: bool = Field(
        False, description="Visitors whose link has the role operate may create and edit PushConfigs of their client."
    )


class Selector(ApiModel):
    """Namespaces by label."""

    match_labels: LabelMap = Field(description="Labels that must all match.")


class Scraper(ApiModel):
    """Pods that may read the metrics, selected as in a NetworkPolicy."""

    namespace_selector: Selector = Field(description="Selects namespaces.")
    pod_selector: Selector | None = Field(None, description="Selects pods in these namespaces. Default: all.")


class Monitoring(ApiModel):
    """Settings for a Prometheus in another namespace."""

    service_monitor_labels: LabelMap = Field({}, description="Labels by which a Prometheus selects the ServiceMonitor.")
    scrapers: Annotated[list[Scraper], Field(max_length=16, json_schema_extra=ATOMIC)] = Field(
        [], description="Pods that may reach the admin port, besides the operator and the server's own namespace."
    )


class AllowedNamespaces(ApiModel):
    """Namespaces whose AggregatorWebhooks are served, as in the Gateway API."""

    model_config = checked_by(rule("has(self.selector) == (self.from == 'Selector')", _SELECTOR))

    from_: Literal["Same", "All", "Selector"] = Field(
        "Same", alias="from", description="Namespaces: the server's own, all, or by label."
    )
    selector: Selector | None = Field(None, description="Labels of the namespaces, with from: Selector.")

    @model_validator(mode="after")
    def _selector(self) -> Self:
        if (self.selector is not None) != (self.from_ == "Selector"):
            raise ValueError(_SELECTOR)
        return self


class RequiredLabel(ApiModel):
    """A label and its value."""

    name: Annotated[str, Field(min_length=1, max_length=317)] = Field(description="Name of the label.")
    value: Annotated[str, Field(max_length=63)] = Field("true", description="Value of the label.")


class ReadableSecrets(ApiModel):
    """Restricts the Secrets that the served resources may name."""

    required_label: RequiredLabel | None = Field(
        None,
        description="Label that a Secret must have if an AggregatorWebhook or a PushConfig names it. Default: none.",
    )


class PodTemplate(ApiModel):
    """Changes to the server's pods."""

    labels: LabelMap = Field({}, description="Additional labels.")
    annotations: AnnotationMap = Field({}, description="Additional annotations.")
    spec: dict[str, Any] = Field(
        {},
        description="Fields of a PodSpec, merged over the operator's.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )


class WebhookServerSpec(ApiModel):
    """One running server."""

    model_config = checked_by(
        rule(f"{_POSTGRES.format('self')} || !has(self.replicas) || self.replicas == 1", _ONE_REPLICA),
        rule(
            f"{_POSTGRES.format('self')} == {_POSTGRES.format('oldSelf')} || (has(oldSelf.suspend) && oldSelf.suspend)",
            _STORAGE_STAYS,
        ),
        rule(f"{_POSTGRES.format('self')} || !has(self.autoscaling)", _NO_SCALING),
        rule(
            "!has(self.portal) || !has(self.hosts) || !self.hosts.exists(h, h.host == self.portal.host)", _PORTAL_HOST
        ),
    )

    hosts: Annotated[list[HostRule], Field(max_length=32, json_schema_extra=list_map("host"))] = Field(
        [], description="Host names and the aggregators they serve."
    )
    base_path: Annotated[str, Field(pattern=patterns.PATH, max_length=128)] = Field(
        "/rms/in/api", description="Path before the aggregator's."
    )
    expose: Expose | None = Field(None, description="How aggregators reach the server.")
    storage: Storage = Field(
        default_factory=lambda: Storage.model_validate({"sqlite": {}}), description="Storage of the journal."
    )
    replicas: Annotated[int, Field(ge=1, le=64)] = Field(
        1, description="Number of server pods. Ignored with autoscaling."
    )
    autoscaling: Autoscaling | None = Field(None, description="Scale the number of pods with the load.")
    receivers: Annotated[int, Field(ge=0, le=16)] = Field(
        0,
        description="Receiving processes in each pod, to use several CPUs; 0: the main process receives, stores and"
        " pushes.",
    )
    suspend: bool = Field(
        False,
        description="Run no pods: nothing is received or pushed, nothing stored is lost. Storage can be changed.",
    )
    retention: RetentionSpec = Field(default_factory=all_defaults(RetentionSpec), description="How long data is kept.")
    encryption: EncryptionSpec | None = Field(None, description="Encrypt bodies in the journal. Default: off.")
    limits: LimitsSpec = Field(default_factory=all_defaults(LimitsSpec), description="Limits of the receiver.")
    egress: EgressSpec = Field(
        default_factory=all_defaults(EgressSpec), description="Addresses that pushes may be sent to."
    )
    allowed_namespaces: AllowedNamespaces = Field(
        default_factory=all_defaults(AllowedNamespaces), description="Namespaces whose resources are served."
    )
    portal: PortalSpec | None = Field(None, description="Portal for the clients' own people. Default: off.")
    notifications: Notifications = Field([], description="Messages to people about all clients of this server.")
    monitoring: Monitoring | None = Field(None, description="Metrics for a Prometheus in another namespace.")
    secrets: ReadableSecrets = Field(
        default_factory=lambda: ReadableSecrets.model_validate({}),
        description="Secrets that the served resources may name.",
    )
    pod_template: PodTemplate | None = Field(None, description="Overrides for the pods.")
    image: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(None, description="Image of the server.")

    @model_validator(mode="after")
    def _replicas(self) -> Self:
        if self.storage.sqlite is not None and self.replicas != 1:
            raise ValueError(_ONE_REPLICA)
        if self.storage.sqlite is not None and self.autoscaling is not None:
            raise ValueError(_NO_SCALING)
        if self.portal is not None and self.portal.host in {host.host for host in self.hosts}:
            raise ValueError(_PORTAL_HOST)
        return self

    @property
    def fewest_replicas(self) -> int:
        """The minimum number of pods."""
        if self.suspend:
            return 0
        return self.replicas if self.autoscaling is None else self.autoscaling.min_replicas

    @property
    def fewest_pods(self) -> int:
        """The minimum number of pods, with a standby's."""
        has_standby = self.storage.sqlite is not None and self.storage.sqlite.standby and not self.suspend
        return self.fewest_replicas + (1 if has_standby else 0)
