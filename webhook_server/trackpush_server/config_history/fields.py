"""The fields of a resource in the routing table, as people may see them. Pure.

A field is shown only if this module says how. Every other field is hidden: its value may be a secret, so only the fact
that it changed is shown. So a new field of the routing table is hidden until somebody decides otherwise.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from trackpush_api.routing import (
    Account,
    AnnouncementTarget,
    Definition,
    Destination,
    Egress,
    Encryption,
    Filter,
    Host,
    Limits,
    OAuth2,
    RateLimit,
    Retention,
    Retry,
    RoutingTable,
    ServerSettings,
    Sqlite,
    Tenant,
    TlsMaterial,
)
from trackpush_server.journal.config_history import StoredFields

_MOST_TEXT: Final = 200
Resource = Destination | Account | ServerSettings | Definition


class Hidden(msgspec.Struct, frozen=True):
    """A value that is compared in memory, and neither shown nor stored."""

    value: Any

    def __repr__(self) -> str:
        """Without the value, so that a logged object doesn't show it."""
        return "Hidden(…)"


Shown = str | Hidden
Fields = dict[str, Shown]
"""By the path of the field in the resource's spec."""
_Rule = Callable[[str, Any], Iterator[tuple[str, Shown]]]


def resources(table: RoutingTable) -> Iterator[tuple[str, Resource]]:
    """Every resource of the table by ``Kind namespace/name``."""
    yield f"WebhookServer {table.server.name}", msgspec.structs.replace(table.server, definitions=())
    for definition in table.server.definitions:
        yield f"AggregatorDefinition {definition.name}", definition
    for account in table.accounts:
        yield f"AggregatorWebhook {account.name}", account
    for destination in table.destinations:
        yield f"PushConfig {destination.name}", destination


def fields(resource: Resource) -> Fields:
    """The fields that differ from their defaults."""
    usual = defaults(type(resource))
    return {path: value for path, value in _all(resource).items() if usual.get(path) != value}


def stored(found: Fields) -> StoredFields:
    """The fields as the journal keeps them: of a hidden one only that it is set."""
    return {path: True if isinstance(value, Hidden) else value for path, value in found.items()}


def defaults(kind: type[Resource]) -> Mapping[str, Shown]:
    """The values of fields that are not set."""
    return _DEFAULTS[kind]


def _all(resource: Resource) -> Fields:
    return dict(_members("", resource))


def _members(prefix: str, struct: Any) -> Iterator[tuple[str, Shown]]:
    rules = _RULES.get(type(struct), {})
    for name in struct.__struct_fields__:
        value = getattr(struct, name)
        if name == "name" or value is None:
            continue
        path, rule = rules.get(name, (_camel(name), _hidden))
        yield from rule(prefix + path, value)


def _hidden(path: str, value: Any) -> Iterator[tuple[str, Shown]]:
    if value not in ((), "", b""):
        yield path, Hidden(value)


def _inside(path: str, value: Any) -> Iterator[tuple[str, Shown]]:
    """The fields of a part of the resource."""
    yield from _members(f"{path}." if path else "", value)


def _text(path: str, value: Any) -> Iterator[tuple[str, Shown]]:
    yield path, _cut(_words(value))


def _seconds(path: str, value: float) -> Iterator[tuple[str, Shown]]:
    yield path, f"{value:g}s"


def _delays(path: str, value: tuple[float, ...]) -> Iterator[tuple[str, Shown]]:
    yield path, _cut(", ".join(f"{delay:g}s" for delay in value))


def _endpoint(path: str, value: str) -> Iterator[tuple[str, Shown]]:
    """Scheme, host and port; the rest may be a secret."""
    parts = urlsplit(value)
    host = parts.netloc.rpartition("@")[2]
    yield path, _cut(f"{parts.scheme}://{host}")
    rest = (parts.netloc.removesuffix(host), parts.path, parts.query, parts.fragment)
    if any(rest):
        yield f"{path} (path and query)", Hidden(rest)


def _hosts(path: str, value: tuple[Host, ...]) -> Iterator[tuple[str, Shown]]:
    for host in value:
        yield f"{path}.{host.host}", _cut("every aggregator" if host.every else _words(host.aggregators))


def _notifications(path: str, value: tuple[AnnouncementTarget, ...]) -> Iterator[tuple[str, Shown]]:
    """Each entry by its name. Its URL may come from a Secret, so even the host is hidden."""
    for target in value:
        yield from _members(f"{path}.{target.name.rpartition('/')[2]}.", target)


def _ordering(path: str, value: bool) -> Iterator[tuple[str, Shown]]:  # noqa: FBT001  a rule takes a field's value
    yield path, "PerShipment" if value else "None"


def _late(path: str, value: bool) -> Iterator[tuple[str, Shown]]:  # noqa: FBT001  same
    yield path, "Drop" if value else "Push"


def _storage(path: str, value: Any) -> Iterator[tuple[str, Shown]]:
    yield path, "sqlite" if isinstance(value, Sqlite) else "postgres"
    if not isinstance(value, Sqlite):
        yield f"{path}.postgres.dsnSecretRef", Hidden(value)


def _document(_: str, value: str) -> Iterator[tuple[str, Shown]]:
    """Every leaf of a definition's spec, which holds no secrets."""
    yield from _leaves("", msgspec.json.decode(value))


def _leaves(path: str, value: Any) -> Iterator[tuple[str, Shown]]:
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _leaves(f"{path}.{name}" if path else str(name), member)
    elif isinstance(value, list) and value:
        for number, member in enumerate(value):
            yield from _leaves(f"{path}[{number}]", member)
    else:
        yield path, _cut(_words(value))


def _words(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(str, value)))
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return str(value)


def _cut(text: str) -> str:
    """The text, or its beginning and a digest, so that a change of the rest is noticed."""
    if len(text) <= _MOST_TEXT:
        return text
    return f"{text[:_MOST_TEXT]}… (SHA-256 {hashlib.sha256(text.encode()).hexdigest()[:12]})"


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _as_named(*names: str, rule: _Rule = _text) -> dict[str, tuple[str, _Rule]]:
    return {name: (_camel(name), rule) for name in names}


_RULES: Final[Mapping[type, Mapping[str, tuple[str, _Rule]]]] = {
    Destination: {
        "url": ("url", _endpoint),
        "oauth2": ("auth.oauth2ClientCredentials", _inside),
        "tls": ("tls", _inside),
        "signing": ("signing.secrets", _hidden),
        "payload_format": ("payload.format", _text),
        "filter": ("filter", _inside),
        "timeout": ("delivery.timeout", _seconds),
        "retry": ("delivery.retry", _inside),
        "max_concurrency": ("delivery.maxConcurrency", _text),
        "rate_limit": ("delivery.rateLimit", _inside),
        "ordered": ("delivery.ordering", _ordering),
        "drop_late": ("delivery.lateUpdates", _late),
        "suspended": ("suspend", _text),
        "announcement_targets": ("notifications", _notifications),
        "tenant": ("namespace", _inside),
    },
    AnnouncementTarget: _as_named("format", "events"),
    OAuth2: {"token_url": ("tokenUrl", _endpoint), **_as_named("scopes")},
    TlsMaterial: {},
    Filter: _as_named("statuses", "directions", "aggregators", "expression"),
    Retry: {"schedule": ("schedule", _delays), "max_age": ("maxAge", _seconds), **_as_named("jitter")},
    RateLimit: {"requests": ("requests", _text), "per": ("per", _seconds)},
    Tenant: {"uid": ("uid", _text), "takes_over": ("takesOver", _text)},
    Account: {
        "key_digests": ("keys", _hidden),
        "grace": ("keys (Secrets missing)", _hidden),
        "secrets": ("keys (for signatures)", _hidden),
        "destinations": ("pushConfigRefs", _text),
        "suspended": ("suspend", _text),
        "expect_every": ("expectEvery", _seconds),
        "tenant": ("namespace", _inside),
        **_as_named("aggregator", "statuses"),
    },
    ServerSettings: {
        "hosts": ("hosts", _hosts),
        "limits": ("limits", _inside),
        "egress": ("egress", _inside),
        "retention": ("retention", _inside),
        "storage": ("storage", _storage),
        "encryption": ("encryption", _inside),
        "announcement_targets": ("notifications", _notifications),
        **_as_named("base_path"),
    },
    Limits: {
        **_as_named("header_timeout", "body_timeout", "idle_timeout", rule=_seconds),
        **_as_named(
            *("max_body_bytes", "max_connections", "max_connections_per_peer", "max_updates_per_body"),
            "max_concurrent_requests",
        ),
    },
    Egress: {
        "https_only": ("httpsOnly", _text),
        "allowed_cidrs": ("allowedCIDRs", _text),
        "denied_cidrs": ("deniedCIDRs", _text),
        "proxy": ("proxy", _endpoint),
    },
    Retention: _as_named("delivered", "dead", "unrecognised", rule=_seconds),
    Encryption: _as_named("decrypt_only"),
    Definition: {"spec": ("", _document), "path": ("path", _text)},
}
"""How to show each field: its path in the spec, and the rule. Fields that are missing here are hidden."""
_DEFAULTS: Final[Mapping[type, Mapping[str, Shown]]] = {
    Destination: _all(Destination(name="", url="")),
    Account: _all(Account(name="", aggregator="", key_digests=())),
    ServerSettings: _all(ServerSettings(name="")),
    Definition: {},
}
