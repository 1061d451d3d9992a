"""The volume of a server on SQLite: grown when the spec asks for more, where its storage class allows that.

A StatefulSet's claims can't be changed, and a StatefulSet that is created again takes over the existing claim. So the
claim itself is looked at, until it is as the spec says.
"""

from trackpush_api.kinds import WebhookServerSpec
from trackpush_api.kinds.webhook_server import SqliteSpec
from trackpush_api.quantities import size_bytes
from trackpush_operator.kube.api import Body, Cluster
from trackpush_operator.kube.errors import ForbiddenError, InvalidError, NotFoundError
from trackpush_operator.kube.kinds import VOLUME_CLAIMS
from trackpush_operator.store.objects import Key

Wanted = tuple[str, str | None]
"""Size and storage class."""


class Volumes:
    """Remembers the servers whose volumes match the spec, so that nothing is requested twice."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._right: dict[Key, Wanted] = {}

    def forget(self, key: Key) -> None:
        """The server is gone, or its claim may be another one."""
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
            return ""  # it is made as the StatefulSet says
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
    """The size that a claim asks for."""
    return str(claim["spec"]["resources"]["requests"]["storage"])


def is_large_enough(claim: Body, wanted: SqliteSpec) -> bool:
    """A volume may be larger than its claim asks for."""
    capacity = ((claim.get("status") or {}).get("capacity") or {}).get("storage")
    asks_for_less = size_bytes(requested(claim)) < size_bytes(wanted.size)
    return asks_for_less and capacity is not None and size_bytes(capacity) >= size_bytes(wanted.size)


def class_trouble(claim: Body, wanted: SqliteSpec) -> str:
    """The message about a wrong storage class of the volume; empty if it is right."""
    name, found = claim["metadata"]["name"], claim["spec"].get("storageClassName")
    if wanted.storage_class_name in (None, found):
        return ""
    return (
        f"spec.storage.sqlite.storageClassName is {wanted.storage_class_name}, and the volume {name} is of the class"
        f" {found}, which can't be changed; set it back, or move the journal by a backup (docs/backup.md)"
    )


def size_trouble(claim: Body, wanted: SqliteSpec) -> str:
    """The message about a wrong size of the volume; empty if it is right."""
    name, asked = claim["metadata"]["name"], requested(claim)
    if size_bytes(asked) > size_bytes(wanted.size):
        return (
            f"spec.storage.sqlite.size is {wanted.size}, and the volume {name} has {asked}, since a volume can't"
            f" shrink; set it to {asked}, or move the journal by a backup (docs/backup.md)"
        )
    status = claim.get("status") or {}
    capacity = (status.get("capacity") or {}).get("storage")
    if capacity is None or size_bytes(capacity) >= size_bytes(wanted.size):
        return ""  # it is not bound yet, or done
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
