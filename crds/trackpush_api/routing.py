"""The routing table: all resources, compiled for a server; immutable, and identified by its content.

`compile()` creates it, and the server only reads it. It contains secret values (header values, signing secrets, client
keys, the database's connection string, the journal's keys). So it is never logged, and only stored in Secrets or in
memory. Of inbound keys it contains the SHA-256, and the key itself only where the aggregator signs bodies.
"""

import hashlib
from functools import cached_property
from typing import Literal

import msgspec

from trackpush_api.vocabulary import ANNOUNCEMENT_KINDS, AggregatorName, AnnouncementKind, Direction, Status


class TlsMaterial(msgspec.Struct, frozen=True, kw_only=True):
    """TLS settings of one destination, all PEM. ``None`` means the system's roots, or no client certificate."""

    ca: str | None = None
    certificate: str | None = None
    private_key: str | None = None


class OAuth2(msgspec.Struct, frozen=True, kw_only=True):
    """OAuth 2.0 client credentials (RFC 6749, section 4.4), for the tokens of a destination."""

    token_url: str
    client_id: str
    client_secret: str
    scopes: tuple[str, ...] = ()


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which tracking updates a destination gets. ``None`` accepts all.

    ``statuses`` contains canonical statuses or an aggregator's own codes: an update matches by either.
    """

    statuses: frozenset[str] | None = None
    directions: frozenset[Direction] | None = None
    aggregators: frozenset[AggregatorName] | None = None
    expression: str | None = None
    """A CEL expression, already checked; see `trackpush_api.expressions`."""


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """When to retry a push.

    ``schedule[n]`` is the delay in seconds before try n + 2; its last entry repeats until ``max_age`` seconds after the
    update was received. ``jitter`` is the fraction by which each delay varies, up or down.
    """

    schedule: tuple[float, ...] = (5.0, 30.0, 120.0, 600.0, 1800.0, 7200.0, 21600.0)
    max_age: float = 72 * 3600.0
    jitter: float = 0.2


class RateLimit(msgspec.Struct, frozen=True, kw_only=True):
    """At most ``requests`` attempts in ``per`` seconds."""

    requests: int
    per: float = 1.0


class AnnouncementTarget(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``spec.notifications``: where messages to people go, with every secret value resolved."""

    name: str
    """The resource and the entry, such as ``PushConfig/acme/oms/slack``: the target's identity in the journal."""
    url: str
    """May itself be a secret: whoever knows the URL of a Slack webhook can post to its channel."""
    format: Literal["StandardWebhooks", "Slack"] = "StandardWebhooks"
    events: frozenset[AnnouncementKind] = frozenset(ANNOUNCEMENT_KINDS)
    signing: tuple[str, ...] = ()
    """Standard Webhooks secrets, as in `Destination.signing`; if empty, messages are not signed."""
    headers: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        """Without the URL and the secrets, as in `Postgres`."""
        return f"AnnouncementTarget(name={self.name!r}, …)"


class Tenant(msgspec.Struct, frozen=True, kw_only=True):
    """The namespace object of a resource: a later namespace object may have the same name."""

    uid: str
    takes_over: str | None = None
    """UID of a former namespace of the same name whose pushes this tenant gets, because an administrator said so."""


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """One PushConfig, with every secret value resolved. Times are in seconds."""

    name: str
    """``namespace/name`` of the PushConfig: its identity in the journal, in metrics and in logs."""
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    """All headers of the client, in order, including the Authorization of basic and bearer auth."""
    oauth2: OAuth2 | None = None
    """How pushes get their Authorization if it is not a fixed value."""
    tls: TlsMaterial | None = None
    signing: tuple[str, ...] = ()
    """Standard Webhooks secrets (``whsec_…``), in the order of their signatures; if empty, pushes are not signed."""
    payload_format: Literal["Canonical", "Raw", "CloudEvents"] = "Canonical"
    filter: Filter = Filter()
    timeout: float = 10.0
    retry: Retry = Retry()
    max_concurrency: int = 16
    rate_limit: RateLimit | None = None
    ordered: bool = True
    drop_late: bool = False
    suspended: bool = False
    portal: bool = False
    """Whether the portal manages its PushConfig."""
    announcement_targets: tuple[AnnouncementTarget, ...] = ()
    """Its ``spec.notifications``: who learns of its events."""
    tenant: Tenant | None = None
    """None for a folder of files, where a namespace can't be distinguished from a later one of the same name."""


class GraceKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key whose Secret is missing. Until the end of its grace, requests with it get 503, afterwards 401."""

    digest: str
    """SHA-256, lower-case hex."""
    until: int
    """Seconds since the epoch."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """One AggregatorWebhook: a client's account at one aggregator."""

    name: str
    """``namespace/name`` of the AggregatorWebhook."""
    aggregator: AggregatorName
    key_digests: tuple[str, ...]
    """SHA-256 of each accepted key, lower-case hex."""
    destinations: tuple[str, ...] = ()
    """Names of PushConfigs. Pushes for one that the table doesn't contain (invalid, not yet created) wait."""
    statuses: frozenset[str] | None = None
    """The aggregator's own codes to accept; ``None`` accepts all."""
    suspended: bool = False
    grace: tuple[GraceKey, ...] = ()
    """Keys that are not accepted now, and may come back."""
    tenant: Tenant | None = None
    """See `Destination.tenant`."""
    secrets: tuple[str, ...] = ()
    """The keys themselves, if the aggregator signs bodies, because a digest cannot verify a signature."""
    generation: str = ""
    """Set by the server if the client's name belonged to another namespace before; part of its updates' keys."""
    expect_every: float | None = None
    """Seconds without an update after which the account is silent; None: it is not watched."""

    def __repr__(self) -> str:
        """Without the keys, as in `Postgres`."""
        return f"Account(name={self.name!r}, aggregator={self.aggregator!r}, …)"


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """A host name and the aggregators that it serves."""

    host: str
    aggregators: frozenset[AggregatorName]
    every: bool = False
    """It serves all aggregators, beside the listed ones those that have a definition."""

    def serves(self, aggregator: AggregatorName) -> bool:
        return self.every or aggregator in self.aggregators


class KeyPlaces(msgspec.Struct, frozen=True, kw_only=True):
    """Headers and parameters of the URL in which one key may be."""

    headers: tuple[str, ...] = ()
    query: tuple[str, ...] = ()


class Signature(msgspec.Struct, frozen=True, kw_only=True):
    """HMAC-SHA256 over the body's bytes, with a key of the account."""

    header: str
    encoding: Literal["Hex", "Base64"] = "Hex"
    prefix: str = ""


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """One AggregatorDefinition: how requests of an aggregator are authenticated and read."""

    name: str
    """As in ``spec.aggregator``."""
    path: str
    """Segment of the URL."""
    key_places: KeyPlaces = KeyPlaces()
    all_of: tuple[KeyPlaces, ...] = ()
    """Places that must each contain a different key of the same account."""
    signature: Signature | None = None
    max_body_bytes: int | None = None
    """None means that of `Limits`."""
    spec: str
    """The resource's spec as JSON, without its samples: what bodies mean."""

    @property
    def header_names(self) -> tuple[str, ...]:
        """The headers that authenticate a request, in addition to the general ones."""
        places = [name for place in (self.key_places, *self.all_of) for name in place.headers]
        return tuple(dict.fromkeys(places if self.signature is None else [*places, self.signature.header]))


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of the receiver. Bytes and seconds."""

    max_body_bytes: int = 1024 * 1024
    header_timeout: float = 10.0
    body_timeout: float = 20.0
    idle_timeout: float = 75.0
    max_connections: int = 10_000
    max_connections_per_peer: int = 5_000
    """Maximum connections from one address."""
    max_updates_per_body: int = 2_000
    max_concurrent_requests: int = 1024


class Egress(msgspec.Struct, frozen=True, kw_only=True):
    """Where pushes may go. CIDRs as text; ``proxy`` is an ``http://host:port`` for CONNECT, or None."""

    https_only: bool = True
    allowed_cidrs: tuple[str, ...] = ()
    denied_cidrs: tuple[str, ...] = ()
    proxy: str | None = None


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds for which ended pushes and unrecognised bodies are kept."""

    delivered: float = 30 * 86400.0
    dead: float = 90 * 86400.0
    unrecognised: float = 7 * 86400.0


class Sqlite(msgspec.Struct, frozen=True, tag_field="kind", tag="sqlite"):
    """The journal is a file in the server's own data folder."""


class Postgres(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="postgres"):
    """The journal is in a database, which several replicas share."""

    dsn: str
    """``postgresql://USER:PASSWORD@HOST/DATABASE``, checked by `trackpush_api.dsn`. A secret."""

    def __repr__(self) -> str:
        """Without the value, so that a logged settings object doesn't show the password."""
        return "Postgres(dsn=…)"


Storage = Sqlite | Postgres


class Encryption(msgspec.Struct, frozen=True, kw_only=True):
    """The keys for bodies in the journal: the first one encrypts, all of them decrypt."""

    keys: tuple[bytes, ...]
    """Keys of 32 bytes for AES-256; at least one."""
    decrypt_only: bool = False
    """Whether new bodies are stored unencrypted, to turn encryption off."""

    def __repr__(self) -> str:
        """Without the keys, as in `Postgres`."""
        return f"Encryption(keys=…, decrypt_only={self.decrypt_only})"


class PortalSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The portal of one WebhookServer."""

    host: str
    edit: bool = False
    """Whether visitors with the role operate may edit PushConfigs."""


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One WebhookServer."""

    name: str
    hosts: tuple[Host, ...] = ()
    base_path: str = "/rms/in/api"
    limits: Limits = Limits()
    egress: Egress = Egress()
    retention: Retention = Retention()
    storage: Storage = Sqlite()
    encryption: Encryption | None = None
    """None: bodies are stored unencrypted."""
    portal: PortalSettings | None = None
    definitions: tuple[Definition, ...] = ()
    """Those of the server's namespace, sorted by name. The server knows the catalog by itself."""
    announcement_targets: tuple[AnnouncementTarget, ...] = ()
    """Its ``spec.notifications``: who learns of the events of all clients."""


class RoutingTable(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """Everything that one server serves. Accounts and destinations are sorted by name and unique."""

    server: ServerSettings
    accounts: tuple[Account, ...] = ()
    destinations: tuple[Destination, ...] = ()

    @cached_property
    def tenants(self) -> dict[str, tuple[Tenant, ...]]:
        """The namespace objects by name; several for one name if parts of the table have different ages."""
        found: dict[str, dict[Tenant, None]] = {}
        named = [(entry.name, entry.tenant) for entry in self.accounts] + [
            (entry.name, entry.tenant) for entry in self.destinations
        ]
        for name, tenant in named:
            if tenant is not None:
                found.setdefault(namespace_of(name), {})[tenant] = None
        return {namespace: tuple(tenants) for namespace, tenants in found.items()}

    @cached_property
    def revision(self) -> str:
        """16 hex digits that change if, and only if, anything in the table changes."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:16]

    @cached_property
    def destination_by_name(self) -> dict[str, Destination]:
        return {destination.name: destination for destination in self.destinations}

    @cached_property
    def account_by_digest(self) -> dict[tuple[AggregatorName, str], Account]:
        """Accounts by aggregator and key digest (lower-case hex SHA-256)."""
        return {(account.aggregator, digest): account for account in self.accounts for digest in account.key_digests}

    @cached_property
    def grace_by_digest(self) -> dict[tuple[AggregatorName, str], int]:
        """The end of each key's grace, in seconds since the epoch, by aggregator and key digest."""
        return {(account.aggregator, key.digest): key.until for account in self.accounts for key in account.grace}


def namespace_of(name: str) -> str:
    """The namespace in ``namespace/name``: the client."""
    return name.partition("/")[0]


def digest_key(key: str) -> str:
    """The digest of an inbound key in the table: lower-case hex SHA-256 of its UTF-8 bytes."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


__all__ = [
    "Account",
    "AnnouncementTarget",
    "Definition",
    "Destination",
    "Egress",
    "Encryption",
    "Filter",
    "GraceKey",
    "Host",
    "KeyPlaces",
    "Limits",
    "OAuth2",
    "PortalSettings",
    "Postgres",
    "RateLimit",
    "Retention",
    "Retry",
    "RoutingTable",
    "ServerSettings",
    "Signature",
    "Sqlite",
    "Status",
    "Storage",
    "Tenant",
    "TlsMaterial",
    "digest_key",
    "namespace_of",
]
