"""Lists all watched objects.

At the start, so that decisions use complete data, and every ten minutes, because watches sometimes die silently.
"""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

from trackpush_operator.kube.api import Cluster
from trackpush_operator.kube.errors import ForbiddenError, NotFoundError
from trackpush_operator.kube.kinds import NAMESPACES, OPTIONAL, OWN, SECRETS, Watched, watched
from trackpush_operator.reconcile.event_router import EventRouter
from trackpush_operator.reconcile.state import OperatorState
from trackpush_operator.store.objects import Kind

Place = tuple[str, str]
_OWN_KINDS: Final = frozenset(api.kind for api in OWN)


class Relister:
    """Lists all objects and records them, deletions included."""

    def __init__(
        self, cluster: Cluster, state: OperatorState, router: EventRouter, namespaces: tuple[str, ...]
    ) -> None:
        self._cluster = cluster
        self._state = state
        self._router = router
        self._namespaces = namespaces

    async def discover(self) -> bool:
        """Find out which kinds exist; returns whether Trackpush's own kinds do. Changes the result of `watched`."""
        found = await asyncio.gather(*(self._cluster.serves(api) for api in OPTIONAL))
        self._state.optional_kinds = frozenset(api for api, served in zip(OPTIONAL, found, strict=True) if served)
        return not await self.missing()

    async def missing(self) -> frozenset[str]:
        """Names of Trackpush's kinds whose CustomResourceDefinitions the API server doesn't have."""
        found = await asyncio.gather(*(self._cluster.serves(api) for api in OWN))
        return frozenset(api.kind for api, served in zip(OWN, found, strict=True) if not served)

    def watched(self) -> tuple[Watched, ...]:
        """The kinds to list and watch."""
        return watched(self._state.optional_kinds, everywhere=not self._namespaces)

    async def relist_all(self) -> int:
        """List all objects; returns the number of changes that no watch had reported.

        Trackpush's own kinds come first, because they determine which Secrets are needed.

        Raises:
            ClusterError: something couldn't be listed; what was listed before is recorded.
        """
        changes = 0
        with self._state.tombstones.remembered():
            for watched in self.watched():
                changes += await self.kind(watched)
            if self._namespaces:
                changes += await self._labels()
        self._state.lists_synced = True
        return changes

    async def kind(self, watched: Watched) -> int:
        """List one kind in all namespaces in which it is watched."""
        scopes: Iterable[str | None] = self._namespaces if watched.api.namespaced and self._namespaces else (None,)
        changes = 0
        with self._state.tombstones.remembered():
            for scope in scopes:
                changes += await self._scope(watched, scope)
        return changes

    async def _scope(self, watched: Watched, scope: str | None) -> int:
        kind, seen, changes, version = watched.api.kind, set[Place](), 0, 0
        begun = self._state.cache.namespace_uids.now()
        async for page in self._cluster.pages(watched.api, scope, watched.selection):
            version = page.version
            for body in page.items:
                changes += self._router.take(kind, body)
                if watched.api == NAMESPACES:
                    self._state.cache.namespace_uids.looked(
                        body["metadata"]["name"], body["metadata"].get("uid", ""), begun
                    )
                seen.add((body["metadata"].get("namespace", ""), body["metadata"]["name"]))
            await asyncio.sleep(0)  # let the renewal of the Lease and the health probes run between pages
        for namespace, name in self._known(kind, scope) - seen:
            changes += self._router.drop(kind, namespace, name, version)
        return changes

    async def _labels(self) -> int:
        """Read the metadata of namespaces that can't be watched, one by one, if that is allowed."""
        changes = 0
        for name in self._namespaces:
            begun = self._state.cache.namespace_uids.now()
            try:
                body = await self._cluster.get(NAMESPACES, None, name)
            except (ForbiddenError, NotFoundError):
                continue
            changes += self._router.take("Namespace", body)
            self._state.cache.namespace_uids.looked(name, body["metadata"].get("uid", ""), begun)
        return changes

    def is_missing_any(self, kind: str, seen: set[Place]) -> bool:
        """Whether a known object of this kind is not among the seen ones."""
        return any(place not in seen for place in self._all_known(kind))

    def _known(self, kind: str, scope: str | None) -> set[Place]:
        return {place for place in self._all_known(kind) if scope is None or place[0] == scope}

    def _all_known(self, kind: str) -> Iterator[Place]:
        cache, owned = self._state.cache, self._state.owned
        if kind in _OWN_KINDS:
            yield from ((key.namespace, key.name) for key in list(cache.items) if key.kind is Kind(kind))
        elif kind == NAMESPACES.kind:
            yield from (("", name) for name in list(cache.labels))
        elif kind == SECRETS.kind:
            yield from (ref for ref in cache.named_secrets() if cache.secrets.get(ref) is not None)
        if kind not in _OWN_KINDS:
            known = owned.pods.known if kind == "Pod" else owned.children.known
            yield from ((namespace, name) for of_kind, namespace, name in list(known) if of_kind == kind)
