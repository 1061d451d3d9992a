"""Writes the folder of resources that `trackpush serve` reads: one WebhookServer and any number of clients."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """One client: a namespace with an AggregatorWebhook, its key, and a PushConfig ``push``."""

    name: str
    """The namespace."""
    url: str
    """Where its pushes go."""
    aggregator: str = "clickpost"
    delivery: Mapping[str, Any] | None = None
    """``spec.delivery`` of the PushConfig, as written in YAML."""
    payload_format: str = "Canonical"
    suspended: bool = False
    account_suspended: bool = False
    """The AggregatorWebhook is."""
    expect_every: str | None = None
    """``spec.expectEvery`` of the AggregatorWebhook."""
    signing: tuple[str, ...] = ()
    """``whsec_…`` secrets, the first one first."""
    auth: Mapping[str, Any] | None = None
    """``spec.auth`` of the PushConfig, as written in YAML; its Secret is ``keys``."""
    tls: Mapping[str, Any] | None = None
    """``spec.tls``, likewise."""
    secrets: Mapping[str, str] = {}
    """What else stands in the Secret."""

    @property
    def key(self) -> str:
        """What its aggregator sends."""
        return f"key-of-{self.name}"

    @property
    def header_value(self) -> str:
        """What its endpoint expects in ``X-Client-Key``."""
        return f"secret-of-{self.name}"

    @property
    def push_config(self) -> str:
        """``namespace/name`` of its PushConfig."""
        return f"{self.name}/push"


_KINDS = {"clickpost": "Clickpost", "shiprocket": "Shiprocket", "shipway": "Shipway"}


def _resource(kind: str, name: str, namespace: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "trackpush.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def _server(settings: Mapping[str, Any]) -> dict[str, Any]:
    spec = {
        "hosts": [{"host": "saas.example.test", "aggregators": list(_KINDS.values())}],
        "allowedNamespaces": {"from": "All"},
        "storage": {"sqlite": {"size": "10Gi"}},
        "egress": {"httpsOnly": False, "allowedCIDRs": ["127.0.0.0/8"]},
    }
    return _resource("WebhookServer", "main", "trackpush", {**spec, **settings})


def _client(client: Client) -> list[dict[str, Any]]:
    account = {
        "aggregator": _KINDS.get(client.aggregator, client.aggregator),
        "serverRef": {"name": "main", "namespace": "trackpush"},
        "keys": [{"secretKeyRef": {"name": "keys", "key": "inbound"}}],
        "pushConfigRefs": [{"name": "push"}],
        **({"suspend": True} if client.account_suspended else {}),
        **({"expectEvery": client.expect_every} if client.expect_every else {}),
    }
    push: dict[str, Any] = {
        "url": client.url,
        "headers": [{"name": "X-Client-Key", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "outbound"}}}],
        "payload": {"format": client.payload_format},
    }
    if client.delivery is not None:
        push["delivery"] = dict(client.delivery)
    if client.auth is not None:
        push["auth"] = dict(client.auth)
    if client.tls is not None:
        push["tls"] = dict(client.tls)
    if client.suspended:
        push["suspend"] = True
    signing = {f"signing-{number}": secret for number, secret in enumerate(client.signing)}
    if signing:
        push["signing"] = {"secrets": [{"secretKeyRef": {"name": "keys", "key": key}} for key in signing]}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "keys", "namespace": client.name},
        "stringData": {"inbound": client.key, "outbound": client.header_value, **signing, **client.secrets},
    }
    return [
        _resource("AggregatorWebhook", client.aggregator, client.name, account),
        _resource("PushConfig", "push", client.name, push),
        secret,
    ]


def _journal_keys() -> dict[str, Any]:
    """For a server whose settings name one: a Secret with a key for the encryption of bodies."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "journal", "namespace": "trackpush"},
        "stringData": {"key": base64.b64encode(b"k" * 32).decode()},
    }


def _database(dsn: str) -> dict[str, Any]:
    """The Secret that a server on PostgreSQL names."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "db", "namespace": "trackpush"},
        "stringData": {"dsn": dsn},
    }


def write(
    folder: Path, clients: Sequence[Client], settings: Mapping[str, Any] | None = None, *, dsn: str | None = None
) -> Path:
    """Write (or replace, atomically) the resources of a server with these clients; returns the folder.

    ``settings`` are merged into the spec of the WebhookServer; with ``dsn`` there is a Secret ``db`` that holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    keys = [_journal_keys()] if "encryption" in (settings or {}) else []
    keys += [] if dsn is None else [_database(dsn)]
    documents = [_server(settings or {}), *keys, *(document for client in clients for document in _client(client))]
    draft = folder / ".resources.draft"
    draft.write_text(yaml.safe_dump_all(documents, sort_keys=False), encoding="utf-8")
    draft.replace(folder / "resources.yaml")
    return folder


def line_of(part: str, text: str) -> int:
    """The number of the first line that contains this part, as in messages."""
    return next(number for number, line in enumerate(text.splitlines(), 1) if part in line)
