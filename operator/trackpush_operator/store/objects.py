"""The stored form of objects: only the parts that decisions need. Pure.

Ten thousand resources as dicts with their managedFields take hundreds of megabytes. A spec as compact JSON takes a few
hundred bytes; it is parsed again only when something about the resource must be decided.
"""

import base64
import binascii
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from trackpush_api.manifest import MOST_SECRET_BYTES, NO_LABELS, Resource, Secret, age_order, with_spec
from trackpush_api.portal_label import MANAGED_BY, PORTAL, is_portals
from trackpush_api.problems import Problem
from trackpush_operator.kube.api import Body
from trackpush_operator.kube.kinds import COMPONENT_LABEL, INSTANCE_LABEL

ADMIN_PORT_NAME = "admin"
_REFERENCES = ("secretKeyRef", "dsnSecretRef")
"""Fields that name a Secret."""
_PORTALS: Final[Mapping[str, str]] = {MANAGED_BY: PORTAL}


class Kind(StrEnum):
    """Trackpush's kinds."""

    SERVER = "WebhookServer"
    WEBHOOK = "AggregatorWebhook"
    PUSH = "PushConfig"
    DEFINITION = "AggregatorDefinition"


class Key(NamedTuple):
    """The key of a resource of Trackpush's kinds, as the queues contain it."""

    kind: Kind
    namespace: str
    name: str

    @property
    def full_name(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"


def server_key(full_name: str) -> Key:
    """The key of a WebhookServer ``namespace/name``."""
    namespace, _, name = full_name.partition("/")
    return Key(Kind.SERVER, namespace, name)


class Links(NamedTuple):
    """The objects that a resource refers to, read from its spec even if that is invalid."""

    secrets: tuple[str, ...] = ()
    """Names of Secrets in its own namespace."""
    server: str | None = None
    """``namespace/name``; None means the only WebhookServer."""
    push_configs: tuple[str, ...] | None = None
    """Names; None means all PushConfigs of the namespace."""
    aggregator: str | None = None
    """Name of the aggregator, as in ``spec.aggregator``."""


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A resource of one of Trackpush's kinds."""

    key: Key
    uid: str
    version: int
    generation: int
    created: str
    spec: bytes
    """The spec as compact JSON."""
    status: bytes
    """The status as compact JSON, as the API server last showed or returned it."""
    links: Links
    portal: bool = False
    """Whether its label says that the portal manages it."""

    @property
    def order(self) -> str:
        """A sort key: the older resource is the smaller."""
        return age_order(self.created, self.uid)


class Child(NamedTuple):
    """The parts of a child of a WebhookServer that are needed to detect drift and readiness."""

    kind: str
    namespace: str
    name: str
    uid: str
    version: int
    instance: str
    component: str
    is_owned: bool
    """Whether its owner is a WebhookServer."""
    shape: int
    """Changes with everything except the status, whose changes are not drift."""


class Pod(NamedTuple):
    """A pod of a server."""

    namespace: str
    name: str
    uid: str
    version: int
    instance: str
    ready: bool
    address: str | None
    """``host:port`` of its admin port; None while it has no address."""
    starts: int
    """Number of starts of its containers: another number means another process."""


def version_of(body: Body) -> int:
    """The resource version as a number. Every API server orders it (officially since 1.35)."""
    text = body["metadata"].get("resourceVersion", "")
    return int(text) if text.isdigit() else 0


def item_of(kind: Kind, body: Body) -> Item:
    """The stored form of a resource."""
    metadata = body["metadata"]
    spec = body.get("spec") or {}
    return Item(
        key=Key(kind, metadata["namespace"], metadata["name"]),
        uid=metadata.get("uid", ""),
        version=version_of(body),
        generation=metadata.get("generation", 0),
        created=metadata.get("creationTimestamp") or "",
        spec=msgspec.json.encode(spec, order="sorted"),
        status=msgspec.json.encode(body.get("status") or {}),
        links=_links(kind, metadata["namespace"], spec),
        portal=is_portals(metadata.get("labels")),
    )


def secret_of(body: Body) -> Secret:
    """A Secret's values as text; None for a value that isn't text. Without values if the Secret is too large."""
    metadata, data = body["metadata"], body.get("data") or {}
    size = sum(len(key) + len(value) * 3 // 4 - value[-2:].count("=") for key, value in data.items())
    is_too_large = size > MOST_SECRET_BYTES
    values = {} if is_too_large else {key: _text(value) for key, value in data.items()}
    return Secret(
        namespace=metadata["namespace"],
        name=metadata["name"],
        values=values,
        labels=metadata.get("labels") or {},
        too_large=size if is_too_large else None,
    )


def child_of(body: Body, kind: str) -> Child:
    """The stored form of a child."""
    metadata = body["metadata"]
    labels = metadata.get("labels") or {}
    return Child(
        kind=kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        version=version_of(body),
        instance=labels.get(INSTANCE_LABEL, ""),
        component=labels.get(COMPONENT_LABEL, ""),
        is_owned=any(reference.get("kind") == Kind.SERVER for reference in metadata.get("ownerReferences") or []),
        shape=_shape(body),
    )


def pod_of(body: Body) -> Pod:
    """The stored form of a pod. A pod that is being deleted isn't ready."""
    metadata, status = body["metadata"], body.get("status") or {}
    conditions = {condition.get("type"): condition.get("status") for condition in status.get("conditions") or []}
    starts = sum(container_status.get("restartCount", 0) for container_status in status.get("containerStatuses") or [])
    return Pod(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        version=version_of(body),
        instance=(metadata.get("labels") or {}).get(INSTANCE_LABEL, ""),
        ready=conditions.get("Ready") == "True" and "deletionTimestamp" not in metadata,
        address=_admin_address(body.get("spec") or {}, status.get("podIP")),
        starts=starts,
    )


def resource_of(item: Item) -> tuple[Resource, tuple[Problem, ...]]:
    """The resource with its spec parsed; if the spec is invalid, without a spec and with its problems."""
    resource = Resource(
        kind=item.key.kind,
        namespace=item.key.namespace,
        name=item.key.name,
        spec=None,
        labels=_PORTALS if item.portal else NO_LABELS,
        order=item.order,
    )
    spec, problems = _read(resource.kind, resource.full_name, item.spec)
    return msgspec.structs.replace(resource, spec=spec), problems


@lru_cache(maxsize=512)
def _read(kind: str, full_name: str, spec: bytes) -> tuple[Any, tuple[Problem, ...]]:
    namespace, _, name = full_name.partition("/")
    bare = Resource(kind=kind, namespace=namespace, name=name, spec=None)
    resource, problems = with_spec(bare, msgspec.json.decode(spec))
    return resource.spec, problems


def _shape(body: Body) -> int:
    unrelated = {"managedFields", "resourceVersion"}
    metadata = {name: value for name, value in body["metadata"].items() if name not in unrelated}
    rest = {name: value for name, value in body.items() if name not in {"metadata", "status"}}
    return hash(msgspec.json.encode([metadata, rest], order="deterministic"))


def _admin_address(spec: dict[str, Any], address: str | None) -> str | None:
    ports = [port for container in spec.get("containers") or [] for port in container.get("ports") or []]
    port = next((port.get("containerPort") for port in ports if port.get("name") == ADMIN_PORT_NAME), None)
    if not address or port is None:
        return None
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _links(kind: Kind, namespace: str, spec: Any) -> Links:
    secrets = () if kind is Kind.DEFINITION else tuple(dict.fromkeys(_secret_names(spec)))
    if kind is not Kind.WEBHOOK:
        return Links(secrets=secrets)
    reference, targets, aggregator = spec.get("serverRef"), spec.get("pushConfigRefs"), spec.get("aggregator")
    return Links(
        secrets=secrets,
        server=None if reference is None else f"{reference.get('namespace') or namespace}/{reference.get('name')}",
        push_configs=None if targets is None else tuple(str(target.get("name")) for target in targets),
        aggregator=aggregator if isinstance(aggregator, str) else None,
    )


def _secret_names(node: Any) -> Iterator[str]:
    """Every reference to a Secret's key in a spec, except in a pod template, where the kubelet reads the Secret."""
    if isinstance(node, list):
        for child in node:
            yield from _secret_names(child)
    elif isinstance(node, dict):
        for field in _REFERENCES:
            reference = node.get(field)
            if isinstance(reference, dict) and isinstance(reference.get("name"), str):
                yield reference["name"]
        for name, child in node.items():
            if name != "podTemplate":
                yield from _secret_names(child)


def _text(value: str) -> str | None:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError, TypeError):
        return None
