"""The resources from watches and lists, with indexes of their references. No I/O.

Secrets that no resource names are not stored, because the operator doesn't need their values. When a resource names a
new Secret, it is read (`unread_secrets`), and from then on its watch events are recorded.

Events may come late and twice (watches reconnect, lists overlap), so states that are older by resource version are
ignored. Deletions are remembered while a list runs, so that the list can't restore a deleted object.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final, TypeVar

from trackpush_api.manifest import Secret
from trackpush_api.routing import Tenant, namespace_of
from trackpush_operator.kube.api import Body
from trackpush_operator.store.namespace_uids import NamespaceUids
from trackpush_operator.store.objects import Item, Key, Kind, item_of, secret_of, version_of
from trackpush_operator.store.tombstones import Tombstones

Ref = tuple[str, str]
"""Namespace and name."""
_NOBODY: frozenset[Key] = frozenset()
_OF_CLIENTS: Final = frozenset({Kind.WEBHOOK, Kind.PUSH})
"""Kinds whose resources belong to the client that their namespace stands for."""


class ResourceCache:
    """The known state of the cluster."""

    def __init__(self, tombstones: Tombstones) -> None:
        self._tombstones = tombstones
        self.items: dict[Key, Item] = {}
        self.labels: dict[str, Mapping[str, str]] = {}
        """Labels of each namespace."""
        self.namespace_uids = NamespaceUids()
        self.secrets: dict[Ref, Secret | None] = {}
        """Secrets that a resource names and that were read; None if the Secret does not exist."""
        self._secret_versions: dict[Ref, int] = {}
        self._seen_versions: dict[Ref, int] = {}
        """Versions of named Secrets from watches and lists, which show no values."""
        self._named_by: defaultdict[Ref, set[Key]] = defaultdict(set)
        self._servers: set[str] = set()
        self._definitions: defaultdict[str, set[str]] = defaultdict(set)
        self._pushes: defaultdict[str, set[str]] = defaultdict(set)
        self._webhooks: defaultdict[str, set[Key]] = defaultdict(set)
        self._webhooks_of: defaultdict[str | None, set[Key]] = defaultdict(set)
        self._senders: defaultdict[tuple[str, str | None], set[Key]] = defaultdict(set)

    # queries

    @property
    def servers(self) -> Collection[str]:
        """``namespace/name`` of all WebhookServers."""
        return self._servers

    def server(self, full_name: str) -> Item | None:
        """The WebhookServer with this name."""
        namespace, _, name = full_name.partition("/")
        return self.items.get(Key(Kind.SERVER, namespace, name))

    def servers_in(self, namespace: str) -> list[str]:
        """``namespace/name`` of the WebhookServers of a namespace, sorted."""
        return sorted(name for name in self._servers if namespace_of(name) == namespace)

    def definitions(self, namespace: str) -> Collection[str]:
        """Names of the AggregatorDefinitions of a namespace."""
        return self._definitions.get(namespace, frozenset())

    def definitions_named(self, name: str) -> list[Key]:
        """The AggregatorDefinitions of this name in all namespaces."""
        return [
            Key(Kind.DEFINITION, namespace, name) for namespace, names in self._definitions.items() if name in names
        ]

    def push_configs(self, namespace: str) -> Collection[str]:
        """Names of the namespace's PushConfigs."""
        return self._pushes.get(namespace, frozenset())

    def pushes_without_webhooks(self) -> set[Key]:
        """PushConfigs of namespaces that have no AggregatorWebhook."""
        return {
            Key(Kind.PUSH, namespace, name)
            for namespace, names in self._pushes.items()
            if namespace not in self._webhooks
            for name in names
        }

    def webhooks(self, namespace: str) -> Collection[Key]:
        """The namespace's AggregatorWebhooks."""
        return self._webhooks.get(namespace, _NOBODY)

    def webhooks_of(self, server: str) -> set[Key]:
        """AggregatorWebhooks that name this server, or no server."""
        return self._webhooks_of.get(server, set()) | self._webhooks_of.get(None, set())

    def senders(self, push: Key) -> set[Key]:
        """AggregatorWebhooks that name this PushConfig, or all of its namespace."""
        named = self._senders.get((push.namespace, push.name), set())
        return named | self._senders.get((push.namespace, None), set())

    def naming(self, ref: Ref) -> Collection[Key]:
        """The resources that name a Secret."""
        return self._named_by.get(ref, _NOBODY)

    def named_secrets(self) -> list[Ref]:
        """All Secrets that a resource names, whether they exist or not."""
        return list(self._named_by)

    def unread_secrets(self, key: Key) -> list[Ref]:
        """Secrets that the resource names and that were not read yet."""
        item = self.items.get(key)
        refs = [(key.namespace, name) for name in item.links.secrets] if item is not None else []
        return [ref for ref in refs if ref not in self.secrets]

    def tenant(self, item: Item) -> Tenant | None:
        """The namespace object of a resource."""
        return self.namespace_uids.tenant(item.key.namespace, item.uid)

    def lacks_namespace_uid(self, key: Key) -> bool:
        """Whether the namespace object of the resource is not known yet."""
        item = self.items.get(key)
        return item is not None and self.namespace_uids.is_waiting(key.namespace, item.uid)

    # updates

    def take_item(self, kind: Kind, body: Body) -> tuple[Item | None, Item] | None:
        """Record the state of a resource; returns the states before and after, or None if the new one is stale."""
        item = item_of(kind, body)
        old = self.items.get(item.key)
        if (old is not None and old.version >= item.version) or self._tombstones.is_deleted(item.key, item.version):
            return None
        self.items[item.key] = item
        if old is not None:
            self._unlink(old)
            if old.uid != item.uid:
                self.namespace_uids.forget(old.key.namespace, old.uid)
        if kind in _OF_CLIENTS:
            self.namespace_uids.see(item.key.namespace, item.uid)
        self._link(item)
        return old, item

    def drop_item(self, key: Key, version: int) -> Item | None:
        """Record a deletion; None if a newer object of this name is known."""
        self._tombstones.record(key, version)
        old = self.items.get(key)
        if old is None or old.version > version:
            return None
        del self.items[key]
        self._unlink(old)
        self.namespace_uids.forget(key.namespace, old.uid)
        return old

    def see_secret(self, ref: Ref, version: int) -> bool:
        """Record the version of a named Secret; returns whether it is newer than the recorded one."""
        if ref not in self._named_by or version <= self._seen_versions.get(ref, -1):
            return False
        self._seen_versions[ref] = version
        return True

    def is_outdated(self, ref: Ref) -> bool:
        """Whether a Secret was read, and a newer version of it was seen since."""
        return ref in self.secrets and self._seen_versions.get(ref, -1) > self._secret_versions.get(ref, -1)

    def take_secret(self, body: Body) -> bool:
        """Record a Secret; False if no resource names it or nothing changed."""
        metadata = body["metadata"]
        return self._set_secret((metadata["namespace"], metadata["name"]), version_of(body), secret_of(body))

    def drop_secret(self, ref: Ref, version: int) -> bool:
        """Record a deletion; False if unreferenced or stale."""
        return self._set_secret(ref, version, None)

    def _set_secret(self, ref: Ref, version: int, secret: Secret | None) -> bool:
        if ref not in self._named_by or self._secret_versions.get(ref, -1) >= version:
            return False
        changed = ref not in self.secrets or self.secrets[ref] != secret
        self.secrets[ref] = secret
        self._secret_versions[ref] = version
        return changed

    # indexes

    def _link(self, item: Item) -> None:
        key = item.key
        for name in item.links.secrets:
            self._named_by[key.namespace, name].add(key)
        if key.kind is Kind.SERVER:
            self._servers.add(key.full_name)
        elif key.kind is Kind.PUSH:
            self._pushes[key.namespace].add(key.name)
        elif key.kind is Kind.DEFINITION:
            self._definitions[key.namespace].add(key.name)
        else:
            self._webhooks[key.namespace].add(key)
            self._webhooks_of[item.links.server].add(key)
            for target in _targets(item):
                self._senders[key.namespace, target].add(key)

    def _unlink(self, item: Item) -> None:
        key, known = item.key, self.items.get(item.key)
        for name in item.links.secrets:
            if known is None or name not in known.links.secrets:
                self._unname((key.namespace, name), key)
        if key.kind is Kind.WEBHOOK:
            _discard(self._webhooks_of, item.links.server, key)
            for target in _targets(item):
                _discard(self._senders, (key.namespace, target), key)
        if known is not None:
            return
        if key.kind is Kind.SERVER:
            self._servers.discard(key.full_name)
        elif key.kind is Kind.PUSH:
            _discard(self._pushes, key.namespace, key.name)
        elif key.kind is Kind.DEFINITION:
            _discard(self._definitions, key.namespace, key.name)
        else:
            _discard(self._webhooks, key.namespace, key)

    def _unname(self, ref: Ref, key: Key) -> None:
        _discard(self._named_by, ref, key)
        if ref not in self._named_by:
            self.secrets.pop(ref, None)
            self._secret_versions.pop(ref, None)
            self._seen_versions.pop(ref, None)


def _targets(item: Item) -> tuple[str | None, ...]:
    return (None,) if item.links.push_configs is None else item.links.push_configs


_K = TypeVar("_K")
_V = TypeVar("_V")


def _discard(index: dict[_K, set[_V]], key: _K, value: _V) -> None:
    found = index.get(key)
    if found is not None:
        found.discard(value)
        if not found:
            del index[key]
