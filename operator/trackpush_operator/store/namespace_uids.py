"""The namespace object of each resource. Pure.

A namespace that is deleted and created again has the same name and another UID, and its resources are another tenant's.
A resource doesn't contain the UID of its namespace, and watches of two kinds are not ordered: a new PushConfig may be
seen before the new Namespace. So a resource's namespace object is found by a read of the namespace that started after
the resource was first seen. It never changes, because no resource moves to another namespace.
"""

import re
from collections import defaultdict
from typing import Final, NamedTuple

from trackpush_api.kinds.base import GROUP
from trackpush_api.routing import Tenant
from trackpush_operator.kube.api import Body

TAKES_OVER: Final = f"{GROUP}/takes-over"
"""Annotation of a Namespace: the UID of a former namespace of the same name, whose pending pushes its clients get.

It is on the Namespace, because a tenant with rights inside the namespace can't change the Namespace itself.
"""
_UID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


class NamespaceObject(NamedTuple):
    """A Namespace at the time of a read."""

    uid: str
    takes_over: str | None = None


def namespace_object(body: Body) -> NamespaceObject:
    """Read a Namespace's body; an annotation that can't be a UID is ignored."""
    metadata = body["metadata"]
    former = (metadata.get("annotations") or {}).get(TAKES_OVER, "").strip()
    return NamespaceObject(metadata.get("uid", ""), former if _UID.fullmatch(former) else None)


class NamespaceUids:
    """The namespace objects of all resources except WebhookServers, by the resources' UIDs."""

    def __init__(self) -> None:
        self._namespaces: dict[str, NamespaceObject] = {}
        self._uids: dict[str, str] = {}
        """UID of each resource's namespace; empty if the namespace can't be read."""
        self._waiting: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """By namespace: resources whose namespace object is not known, with the time when each was first seen."""
        self._time = 0

    def see(self, namespace: str, uid: str) -> None:
        """Record a resource."""
        if uid and uid not in self._uids and uid not in self._waiting[namespace]:
            self._time += 1
            self._waiting[namespace][uid] = self._time

    def forget(self, namespace: str, uid: str) -> None:
        """Forget a deleted resource."""
        self._uids.pop(uid, None)
        self._waiting[namespace].pop(uid, None)
        if not self._waiting[namespace]:
            del self._waiting[namespace]

    def is_waiting(self, namespace: str, uid: str) -> bool:
        """Whether its namespace must be read."""
        return uid in self._waiting.get(namespace, ())

    def now(self) -> int:
        """The time at the start of a read."""
        return self._time

    def looked(self, namespace: str, uid: str, begun: int) -> None:
        """Record the result of a read that started at ``begun``; ``uid`` is empty if the namespace may not be read."""
        waiting = self._waiting.get(namespace, {})
        for resource in [entry for entry, seen in waiting.items() if seen <= begun]:
            del waiting[resource]
            self._uids[resource] = uid

    def take(self, namespace: str, found: NamespaceObject | None) -> bool:
        """Record a namespace or its deletion; returns whether its resources' tenants changed."""
        before = self._namespaces.get(namespace)
        if found is None:
            self._namespaces.pop(namespace, None)
        else:
            self._namespaces[namespace] = found
        return before is not None and found is not None and before != found

    def tenant(self, namespace: str, uid: str) -> Tenant | None:
        """The tenant of a resource; None if unknown."""
        home = self._uids.get(uid)
        if not home:
            return None
        now = self._namespaces.get(namespace)
        return Tenant(uid=home, takes_over=now.takes_over if now is not None and now.uid == home else None)
