"""Routes events of watches and lists to the store and to the queues. No I/O and no decisions."""

import base64
import binascii
from collections.abc import Collection
from typing import Final

from trackpush_api import shards
from trackpush_operator.kube.api import Body
from trackpush_operator.kube.kinds import MANAGED_BY_LABEL, MANAGER
from trackpush_operator.reconcile.state import OperatorState
from trackpush_operator.store.dependents import after_item, after_labels, after_tenant
from trackpush_operator.store.namespace_uids import namespace_object
from trackpush_operator.store.objects import Child, Item, Key, Kind, child_of, server_key, version_of
from trackpush_operator.store.pods_and_children import server_of

ROUTING: Final = "routing"
"""Component label of the Secrets with the routing table."""
_KINDS: Final = frozenset(Kind)


class EventRouter:
    """Records objects of all kinds, and enqueues the affected keys."""

    def __init__(self, state: OperatorState) -> None:
        self._state = state

    def take(self, kind: str, body: Body) -> bool:
        """Record an object's current state; returns whether it was new."""
        if kind in _KINDS:
            taken = self._state.cache.take_item(Kind(kind), body)
            if taken is None:
                return False
            self._after_item(*taken)
            return True
        if kind == "Secret":
            return self._take_secret(body) if "type" in body else self._note_secret(body)
        if kind == "Namespace":
            return self._take_namespace(body["metadata"]["name"], body)
        if kind == "Pod":
            return self._wake(self._state.owned.take_pod(body))
        return self._rebuild(self._state.owned.take_child(kind, body))

    def drop(self, kind: str, namespace: str, name: str, version: int) -> bool:
        """Record a deletion at this resource version; returns whether it was new."""
        if kind in _KINDS:
            old = self._state.cache.drop_item(Key(Kind(kind), namespace, name), version)
            if old is None:
                return False
            self._after_item(old, None)
            return True
        if kind == "Secret":
            return self._drop_secret(namespace, name, version)
        if kind == "Namespace":
            return self._take_namespace(name, None)
        servers = self._state.owned.drop(kind, namespace, name, version)
        return self._wake(servers) if kind == "Pod" else self._rebuild(servers)

    def dropped(self, kind: str, body: Body) -> bool:
        """The same as `drop`, with the deleted object from a watch."""
        metadata = body["metadata"]
        return self.drop(kind, metadata.get("namespace", ""), metadata["name"], version_of(body))

    def _after_item(self, old: Item | None, new: Item | None) -> None:
        for key in after_item(self._state.cache, old, new):
            self._state.queues.decide.add(key)

    def _take_namespace(self, namespace: str, body: Body | None) -> bool:
        labels = None if body is None else body["metadata"].get("labels") or {}
        is_changed = self._state.cache.namespace_uids.take(namespace, None if body is None else namespace_object(body))
        if is_changed:
            for key in after_tenant(self._state.cache, namespace):
                self._state.queues.decide.add(key)
        return self._take_labels(namespace, labels) or is_changed

    def _take_labels(self, namespace: str, labels: dict[str, str] | None) -> bool:
        known = self._state.cache.labels
        if known.get(namespace) == labels:
            return False
        if labels is None:
            known.pop(namespace, None)
        else:
            known[namespace] = labels
        for key in after_labels(self._state.cache, namespace):
            self._state.queues.decide.add(key)
        return True

    def _note_secret(self, body: Body) -> bool:
        """Record the metadata of a Secret from a watch or a list, and enqueue the Secret if its values are needed."""
        metadata = body["metadata"]
        ref, version = (metadata["namespace"], metadata["name"]), version_of(body)
        is_new = self._state.cache.see_secret(ref, version)
        is_outdated = self._state.cache.is_outdated(ref)
        is_changed_child = self._note_child(body, ref, version)
        if is_outdated or is_changed_child:
            self._state.queues.secrets.add(ref)
        return (is_new and is_outdated) or is_changed_child

    def _note_child(self, body: Body, ref: tuple[str, str], version: int) -> bool:
        """Whether this is a Secret of the operator that somebody created or changed."""
        known = self._state.owned.children.known.get(("Secret", *ref))
        if known is not None:
            return version > known.version
        is_labelled = (body["metadata"].get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGER
        if not is_labelled or not is_owned_secret(child_of(body, "Secret"), self._state.cache.servers):
            return False
        if not self._state.lists_synced:  # at the start, complete tables are read
            self._state.owned.take_child("Secret", body)
        return self._state.lists_synced

    def _take_secret(self, body: Body) -> bool:
        metadata = body["metadata"]
        ref = (metadata["namespace"], metadata["name"])
        changed = self._state.cache.take_secret(body)
        if changed:
            self._named(ref)
        known = self._state.owned.children.known.get(("Secret", *ref))
        is_child = (metadata.get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGER
        if (known is not None or is_child) and self._state.owned.take_child("Secret", body):
            for child in (known, child_of(body, "Secret")):
                if child is not None:
                    self._repair(child, body)
            return True
        return changed

    def _drop_secret(self, namespace: str, name: str, version: int) -> bool:
        changed = self._state.cache.drop_secret((namespace, name), version)
        if changed:
            self._named((namespace, name))
        known = self._state.owned.children.known.get(("Secret", namespace, name))
        if known is not None and self._state.owned.drop("Secret", namespace, name, version):
            self._repair(known, None)
            return True
        return changed

    def _named(self, ref: tuple[str, str]) -> None:
        for key in self._state.cache.naming(ref):
            self._state.queues.decide.add(key)

    def _repair(self, child: Child, body: Body | None) -> None:
        """Write a Secret of the operator again, because somebody else changed or deleted it."""
        server = server_of(child)
        if child.component != ROUTING:
            self._rebuild({server})
            return
        table = self._state.compiler.tables.get(server)
        name = child.name.removeprefix(f"{child.instance}-{ROUTING}-")
        if table is None or name not in shards.FILE_NAMES:
            return
        part = table.part(name)
        if body is None or not part.is_intact(_data(body)):
            part.spoil()
            self._state.queues.shards.add((server, name))

    def _rebuild(self, servers: set[str]) -> bool:
        for server in servers:
            if server_key(server) in self._state.cache.items:
                self._state.queues.servers.add(server_key(server))
        return bool(servers)

    def _wake(self, servers: set[str]) -> bool:
        for server in servers:
            self._state.queues.readback.add(server)
        return bool(servers)


def is_owned_secret(child: Child, servers: Collection[str]) -> bool:
    """Whether a Secret has a name that the operator uses for an existing WebhookServer.

    Labels alone prove nothing, because anybody may label Secrets of any size.
    """
    suffixes = ("admin-token", *(f"{ROUTING}-{name}" for name in shards.FILE_NAMES))
    return server_of(child) in servers and child.name in {f"{child.instance}-{suffix}" for suffix in suffixes}


def _data(body: Body) -> bytes:
    try:
        return base64.b64decode((body.get("data") or {}).get(shards.FILE, ""), validate=True)
    except (binascii.Error, ValueError):
        return b""
