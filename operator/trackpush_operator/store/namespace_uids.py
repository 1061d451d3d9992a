"""The namespace object of each resource. Pure.

A namespace that is deleted and created again has the same name and another UID, and its resources are another
tenant's. A resource doesn't name the UID of its namespace, and watches of two kinds are not ordered: a new PushConfig
may be seen before the new Namespace. So a resource's home is taken from a look at the namespace that began after the
resource was first seen, and never changes: no resource moves to another namespace.
"""

import re
from collections import defaultdict
from typing import Final, NamedTuple

from trackpush_api.kinds.base import GROUP
from trackpush_api.routing import Tenant
from trackpush_operator.kube.api import Body

TAKES_OVER: Final = f"{GROUP}/takes-over"
"""Annotation of a Namespace: the UID of a former one of the same name, whose pushes its clients are to get.

On the Namespace, as a tenant who has rights within it can't change the Namespace itself.
"""
_UID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")


class NamespaceObject(NamedTuple):
    """A namespace as it was seen."""

    uid: str
    takes_over: str | None = None


def namespace_object(body: Body) -> NamespaceObject:
    """Of a Namespace; an annotation that can be no UID is ignored."""
    metadata = body["metadata"]
    former = (metadata.get("annotations") or {}).get(TAKES_OVER, "").strip()
    return NamespaceObject(metadata.get("uid", ""), former if _UID.fullmatch(former) else None)


class NamespaceUids:
    """Of all resources but WebhookServers, by their UIDs."""

    def __init__(self) -> None:
        self._namespaces: dict[str, NamespaceObject] = {}
        self._uids: dict[str, str] = {}
        """Empty where the namespace can't be read."""
        self._waiting: defaultdict[str, dict[str, int]] = defaultdict(dict)
        """By namespace: resources without a home, and when each was first seen."""
        self._time = 0

    def see(self, namespace: str, uid: str) -> None:
        """A resource is there."""
        if uid and uid not in self._uids and uid not in self._waiting[namespace]:
            self._time += 1
            self._waiting[namespace][uid] = self._time

    def forget(self, namespace: str, uid: str) -> None:
        """A resource is gone."""
        self._uids.pop(uid, None)
        self._waiting[namespace].pop(uid, None)
        if not self._waiting[namespace]:
            del self._waiting[namespace]

    def is_waiting(self, namespace: str, uid: str) -> bool:
        """Whether its namespace must be read."""
        return uid in self._waiting.get(namespace, ())

    def now(self) -> int:
        """When a look begins."""
        return self._time

    def looked(self, namespace: str, uid: str, begun: int) -> None:
        """A read that began at this time found this namespace object; empty if it may not be read."""
        waiting = self._waiting.get(namespace, {})
        for resource in [entry for entry, seen in waiting.items() if seen <= begun]:
            del waiting[resource]
            self._uids[resource] = uid

    def take(self, namespace: str, found: NamespaceObject | None) -> bool:
        """A watch or a read showed a namespace or its deletion; returns whether its resources' tenants changed."""
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
