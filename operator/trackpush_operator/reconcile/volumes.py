"""The volume of a server on SQLite: grown if the spec asks for more and the storage class allows it.

The claim templates of a StatefulSet can't be changed, and a StatefulSet that is created again uses the existing claim.
So the operator checks the claim itself, until it matches the spec.
"""

from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.kinds.webhook_server import SqliteSpec
from trackpush_api.quantities import size_bytes
from trackpush_operator.kube.api import Body, Cluster
from trackpush_operator.kube.errors import ForbiddenError, InvalidError, NotFoundError
from trackpush_operator.kube.kinds import VOLUME_CLAIMS
from trackpush_operator.store.objects import Key

Wanted = tuple[str, str | None]
"""The wanted size and storage class."""


class Volumes:
    """Remembers the servers whose volumes match the spec, so that no request is sent twice."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._right: dict[Key, Wanted] = {}

    def forget(self, key: Key) -> None:
        """Check this server's volume again: it was deleted, or its claim may have been replaced."""
        self._right.pop(key, None)

    async def reconcile(self, key: Key, spec: WebhookServerSpec) -> str:
        """Grow a volume that is too small; returns the difference from the spec, or an empty text."""
        sqlite = spec.storage.sqlite
        if sqlite is None:
            self.forget(key)
            return ""
        wanted = (sqlite.size, sqlite.storage_class_name)
        if self._right.get(key) == wanted:
            return ""
        trouble = await self._look(key.namespace, f"data-{key.name}-0", sqlite)
        if not trouble:
            self._right[key] = wanted
        return trouble

    async def _look(self, namespace: str, name: str, wanted: SqliteSpec) -> str:
        try:
            claim = await self._cluster.get(VOLUME_CLAIMS, namespace, name)
        except NotFoundError:
            return ""  # the StatefulSet creates it with the right size
        other_class = class_trouble(claim, wanted)
        if other_class:
            return other_class
        if is_large_enough(claim, wanted):
            return ""
        if size_bytes(requested(claim)) < size_bytes(wanted.size):
            body = {"spec": {"resources": {"requests": {"storage": wanted.size}}}}
            try:
                claim = await self._cluster.patch(VOLUME_CLAIMS, namespace, name, body)
            except (ForbiddenError, InvalidError) as error:
                return refused(claim, wanted, str(error))
        return size_trouble(claim, wanted)


def requested(claim: Body) -> str:
    """The size that a claim requests."""
    return str(claim["spec"]["resources"]["requests"]["storage"])


def is_large_enough(claim: Body, wanted: SqliteSpec) -> bool:
    """Whether the volume is large enough. It may be larger than its claim requests."""
    capacity = ((claim.get("status") or {}).get("capacity") or {}).get("storage")
    asks_for_less = size_bytes(requested(claim)) < size_bytes(wanted.size)
    return asks_for_less and capacity is not None and size_bytes(capacity) >= size_bytes(wanted.size)


def class_trouble(claim: Body, wanted: SqliteSpec) -> str:
    """A message if the volume has another storage class than the spec; otherwise empty."""
    name, found = claim["metadata"]["name"], claim["spec"].get("storageClassName")
    if wanted.storage_class_name in (None, found):
        return ""
    return (
        f"spec.storage.sqlite.storageClassName is {wanted.storage_class_name}, and the volume {name} is of the class"
        f" {found}, which can't be changed; set it back, or move the journal by a backup (docs/backup.md)"
    )


def size_trouble(claim: Body, wanted: SqliteSpec) -> str:
    """A message if the volume is larger than the spec or is still being grown; otherwise empty."""
    name, asked = claim["metadata"]["name"], requested(claim)
    if size_bytes(asked) > size_bytes(wanted.size):
        return (
            f"spec.storage.sqlite.size is {wanted.size}, and the volume {name} has {asked}, since a volume can't"
            f" shrink; set it to {asked}, or move the journal by a backup (docs/backup.md)"
        )
    status = claim.get("status") or {}
    capacity = (status.get("capacity") or {}).get("storage")
    if capacity is None or size_bytes(capacity) >= size_bytes(wanted.size):
        return ""  # it is not bound yet, or already grown
    found = [condition.get("message") for condition in status.get("conditions") or [] if condition.get("message")]
    more = f": {'; '.join(found)}" if found else ""
    return f"the volume {name} is being grown from {capacity} to {wanted.size}{more}"


def refused(claim: Body, wanted: SqliteSpec, answer: str) -> str:
    """The message about a volume that can't grow."""
    name, asked, kind = claim["metadata"]["name"], requested(claim), claim["spec"].get("storageClassName")
    return (
        f"spec.storage.sqlite.size is {wanted.size}, and the volume {name} has {asked} and can't grow: {answer}. Set"
        f" allowVolumeExpansion in the storage class {kind}, if its provisioner can do it; or set the size back to"
        f" {asked}, or move the journal by a backup (docs/backup.md)"
    )
