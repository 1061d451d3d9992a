"""The children and pods of the servers, from watches and lists. No I/O."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Generic, TypeVar

from trackpush_operator.kube.api import Body
from trackpush_operator.store.objects import Child, Pod, child_of, pod_of
from trackpush_operator.store.tombstones import Tombstones

Place = tuple[str, str, str]
"""Kind, namespace, name."""
_T = TypeVar("_T", Child, Pod)


class _Owned(Generic[_T]):
    """Objects by place, and by the server that their labels name."""

    def __init__(self, tombstones: Tombstones) -> None:
        self._tombstones = tombstones
        self.known: dict[Place, _T] = {}
        self._places: defaultdict[str, dict[Place, None]] = defaultdict(dict)

    def of(self, server: str) -> Iterator[_T]:
        """The objects of one server."""
        return (self.known[place] for place in self._places.get(server, ()))

    def take(self, found: _T) -> tuple[_T | None, _T] | None:
        """Record an object; returns the states before and after, or None if the new one is stale."""
        place = _place(found)
        old = self.known.get(place)
        if (old is not None and old.version >= found.version) or self._tombstones.is_deleted(place, found.version):
            return None
        if old is not None:
            self._places[server_of(old)].pop(place, None)
        self.known[place] = found
        self._places[server_of(found)][place] = None
        return old, found

    def drop(self, place: Place, version: int) -> _T | None:
        """Record a deletion; returns the former state, or None if the deletion is stale."""
        self._tombstones.record(place, version)
        old = self.known.get(place)
        if old is None or old.version > version:
            return None
        self._places[server_of(old)].pop(place, None)
        return self.known.pop(place)


class PodsAndChildren:
    """The children and pods of the servers, by ``namespace/name``."""

    def __init__(self, tombstones: Tombstones) -> None:
        self.children: _Owned[Child] = _Owned(tombstones)
        self.pods: _Owned[Pod] = _Owned(tombstones)

    def take_child(self, kind: str, body: Body) -> set[str]:
        """Record a child; returns its current and former servers, unless only its status changed."""
        taken = self.children.take(child_of(body, kind))
        if taken is None or (taken[0] is not None and taken[0].shape == taken[1].shape):
            return set()
        return {server_of(entry) for entry in taken if entry is not None}

    def take_pod(self, body: Body) -> set[str]:
        """Record a pod; returns the servers for which a relevant change occurred."""
        taken = self.pods.take(pod_of(body))
        if taken is None:
            return set()
        old, new = taken
        if old is not None and old._replace(version=new.version) == new:
            return set()
        return {server_of(entry) for entry in taken if entry is not None}

    def drop(self, kind: str, namespace: str, name: str, version: int) -> set[str]:
        """Record a deletion; returns the server of the object."""
        place = (kind, namespace, name)
        old = self.pods.drop(place, version) if kind == "Pod" else self.children.drop(place, version)
        return set() if old is None else {server_of(old)}

    def count_pods(self, server: str) -> int:
        """Number of the server's pods, ready or not."""
        return sum(1 for _ in self.pods.of(server))

    def ready_pods(self, server: str) -> list[Pod]:
        """The ready pods."""
        return [pod for pod in self.pods.of(server) if pod.ready]


def _place(item: Child | Pod) -> Place:
    return ("Pod" if isinstance(item, Pod) else item.kind, item.namespace, item.name)


def server_of(item: Child | Pod) -> str:
    """``namespace/name`` of the server that its labels name."""
    return f"{item.namespace}/{item.instance}"
