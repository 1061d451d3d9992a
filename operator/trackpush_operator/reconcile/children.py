"""The children of a WebhookServer. They are applied if they differ or were changed, and deleted if no longer wanted.

The builders (`trackpush_operator.desired`) define them. A digest of each applied manifest is kept, so the
reconciliation of an unchanged server sends no requests to the API server.
"""

import hashlib
import secrets
from typing import Final

import msgspec

from trackpush_api.kinds import WebhookServerSpec
from trackpush_operator.decide.exposed_hosts import EXPOSURES, without_hosts
from trackpush_operator.decide.server import makes_children, withheld_hosts
from trackpush_operator.kube.api import Api, Body, Cluster
from trackpush_operator.kube.errors import ConflictError, InvalidError, NotFoundError
from trackpush_operator.kube.kinds import CHILDREN, SECRETS, child_api
from trackpush_operator.reconcile.apply import as_owner, reconcile_child, recreate_child
from trackpush_operator.reconcile.builders import Builders
from trackpush_operator.reconcile.snapshots import server_snapshot
from trackpush_operator.reconcile.state import OperatorState
from trackpush_operator.reconcile.volumes import Volumes
from trackpush_operator.store.objects import Child, Item, Key
from trackpush_operator.store.pods_and_children import Place

_TOKEN_BYTES: Final = 32
_VOLUME_SECONDS: Final = 10.0
_STATEFUL: Final = "StatefulSet"
_APIS: Final = {api.kind: api for api in CHILDREN}


class ChildReconciler:
    """Handles the keys of `Queues.servers`."""

    def __init__(self, cluster: Cluster, state: OperatorState, builders: Builders) -> None:
        self._cluster = cluster
        self._state = state
        self._builders = builders
        self._applied: dict[Place, tuple[bytes, int]] = {}
        """Digest of the manifest and the child's shape after it was applied."""
        self._volumes = Volumes(cluster)

    async def reconcile(self, key: Key) -> None:
        """Apply the children of one server, and delete those that are no longer wanted."""
        item = self._state.cache.items.get(key)
        progress = self._state.applied
        if item is None:
            progress.pop(key, None)
            self._state.volumes.pop(key, None)
            self._volumes.forget(key)
            self._state.pod_reports.forget(key.full_name)
            return
        snapshot = server_snapshot(self._state, item)
        if snapshot.spec is None or not makes_children(snapshot):
            await self._leave_hosts(item, frozenset(host for host, _ in snapshot.older_hosts))
            self._state.queues.reports.add(key)
            return
        try:
            await self._apply(item, snapshot.spec, withheld_hosts(snapshot))
            await self._look_at_volume(key, snapshot.spec)
        except Exception as error:
            progress[key] = str(error)[:500] or type(error).__name__
            raise
        else:
            progress[key] = ""
        finally:
            self._state.queues.reports.add(key)

    async def _look_at_volume(self, key: Key, spec: WebhookServerSpec) -> None:
        """Check the volume; check again later if it is being grown or can't grow, because no watch reports this."""
        trouble = await self._volumes.reconcile(key, spec)
        if trouble:
            self._state.volumes[key] = trouble
            self._state.queues.servers.add(key, delay=_VOLUME_SECONDS)
        else:
            self._state.volumes.pop(key, None)

    async def _apply(self, item: Item, spec: WebhookServerSpec, withheld: frozenset[str]) -> None:
        profiles = self._state.compiler.definitions.known(item.key.full_name).profiles
        paths = {name: facts.path_segment for name, facts in profiles.items()}
        manifests = self._builders.children(as_owner(item), spec, self._state.optional_kinds, withheld, paths)
        await self._ensure_token(item)
        wanted: set[Place] = set()
        for body in manifests:
            api = child_api(body)
            place = (api.kind, item.key.namespace, body["metadata"]["name"])
            wanted.add(place)
            await self._apply_one(api, place, body)
        for child in list(self._state.owned.children.of(item.key.full_name)):
            is_ours = child.kind in _APIS and child.is_owned
            if is_ours and (child.kind, child.namespace, child.name) not in wanted:
                await self._prune(child)

    async def _apply_one(self, api: Api, place: Place, body: Body) -> None:
        digest = hashlib.sha256(msgspec.json.encode(body, order="deterministic")).digest()
        known = self._state.owned.children.known.get(place)
        if known is not None and self._applied.get(place) == (digest, known.shape):
            return
        try:
            await reconcile_child(self._cluster, self._state.owned, api, body)
        except InvalidError:
            if api.kind != _STATEFUL or known is None:
                raise
            await recreate_child(self._cluster, self._state.owned, api, known, body)
        self._applied[place] = (digest, self._state.owned.children.known[place].shape)

    async def _leave_hosts(self, item: Item, taken: frozenset[str]) -> None:
        """Remove hosts that other servers own from the Ingress or HTTPRoute; keep the other children as they are."""
        for child in list(self._state.owned.children.of(item.key.full_name)):
            if child.kind not in EXPOSURES or not child.is_owned:
                continue
            api = _APIS[child.kind]
            try:
                found = await self._cluster.get(api, child.namespace, child.name)
            except NotFoundError:
                continue
            left = without_hosts(found, taken)
            if left is None:
                await self._prune(child)
            elif left != found:
                patch = {"spec": left["spec"]}  # the operator's role permits patch, but not replace
                body = await self._cluster.patch(api, child.namespace, child.name, patch)
                self._state.owned.take_child(child.kind, body)

    async def _prune(self, child: Child) -> None:
        await self._cluster.delete(_APIS[child.kind], child.namespace, child.name, uid=child.uid)
        self._state.owned.drop(child.kind, child.namespace, child.name, child.version)

    async def _ensure_token(self, item: Item) -> None:
        """Create the admin token's Secret, and never overwrite it, because pods and operator share it."""
        server = as_owner(item)
        body = self._builders.admin_token_secret(server, secrets.token_urlsafe(_TOKEN_BYTES))
        name = body["metadata"]["name"]
        if ("Secret", item.key.namespace, name) in self._state.owned.children.known:
            return
        try:
            found = await self._cluster.get(SECRETS, item.key.namespace, name)
        except NotFoundError:
            try:
                found = await self._cluster.create(SECRETS, body)
            except ConflictError:
                found = await self._cluster.get(SECRETS, item.key.namespace, name)
        self._state.owned.take_child("Secret", found)
