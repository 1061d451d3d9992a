"""Reads Secrets that changed, because lists and watches show only their metadata.

A Secret may contain up to a mebibyte, and anybody who may write Secrets in a watched namespace may create hundreds of
them. So the operator reads only Secrets that a resource names or that it created itself, one at a time for each
namespace.
"""

from trackpush_operator.kube.api import Cluster
from trackpush_operator.kube.errors import NotFoundError
from trackpush_operator.kube.kinds import SECRETS
from trackpush_operator.reconcile.event_router import EventRouter
from trackpush_operator.store.resources import Ref


class SecretReader:
    """Handles the keys of `Queues.secrets`."""

    def __init__(self, cluster: Cluster, router: EventRouter) -> None:
        self._cluster = cluster
        self._router = router

    async def read(self, ref: Ref) -> None:
        """Read one Secret and record it."""
        try:
            body = await self._cluster.get(SECRETS, *ref)
        except NotFoundError:
            return  # the watch reports its deletion
        self._router.take(SECRETS.kind, body)
