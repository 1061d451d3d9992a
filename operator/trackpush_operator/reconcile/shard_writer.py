"""Writes routing tables to Secrets: adopts existing ones, writes only changed shards, makes the pods load them at once.

Writing an incomplete table is the most dangerous mistake that the operator can make, because aggregators would then get
401. So a table is held (`Compiler.is_held`) until every resource that could be in it was decided.
"""

import base64
import binascii
import contextlib
import hashlib
from collections.abc import Callable
from typing import Final

import structlog

from trackpush_api import shards
from trackpush_operator.compile.entries import resource_key
from trackpush_operator.kube.api import Body, Cluster, ObjectSelection
from trackpush_operator.kube.errors import NotFoundError
from trackpush_operator.kube.kinds import COMPONENT_LABEL, INSTANCE_LABEL, MANAGED_BY_LABEL, MANAGER, PODS, SECRETS
from trackpush_operator.reconcile.apply import apply_child, as_owner
from trackpush_operator.reconcile.definition_checks import check_definitions
from trackpush_operator.reconcile.event_router import ROUTING
from trackpush_operator.reconcile.state import OperatorState, ShardKey, new_revision
from trackpush_operator.store.objects import Key, Pod, server_key
from trackpush_operator.store.scope import unwatched
from trackpush_operator.store.shard_revisions import ShardedTable, ShardState

SecretBuilder = Callable[[Body, str, bytes], Body]
"""Takes the WebhookServer, the name of the shard and its content; returns the manifest."""
ANNOTATION: Final = "trackpush.dev/routing"
_TOUCH_PAUSE: Final = 0.05
"""Seconds in which several written shards lead to one annotation of the pods."""
_log = structlog.get_logger("shard_writer")


class ShardWriter:
    """Handles the keys of `Queues.shards` and `Queues.touch`."""

    def __init__(self, cluster: Cluster, state: OperatorState, build: SecretBuilder) -> None:
        self._cluster = cluster
        self._state = state
        self._build = build
        self._touched: dict[str, str] = {}
        self._written: set[str] = set()
        """Servers with shards that were written after their pods were last annotated."""

    async def adopt(self, key: Key) -> None:
        """Read the table of a WebhookServer that is new to this process from the cluster."""
        table = ShardedTable(key.full_name)
        labels = {MANAGED_BY_LABEL: MANAGER, INSTANCE_LABEL: key.name, COMPONENT_LABEL: ROUTING}
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        present: set[str] = set()
        async for page in self._cluster.pages(
            SECRETS, key.namespace, ObjectSelection(labels=selector, metadata_only=True)
        ):
            present |= {body["metadata"]["name"] for body in page.items}
        for name in sorted(present & {f"{key.name}-{ROUTING}-{name}" for name in shards.FILE_NAMES}):
            with contextlib.suppress(NotFoundError):
                body = await self._cluster.get(SECRETS, key.namespace, name)
                self._seed(table, key, body)
                self._state.owned.take_child("Secret", body)
        others = unwatched(table, self._state.scope)
        if others:
            _log.warning(
                "namespaces_not_watched", server=table.server, namespaces=list(others), kept=sum(others.values())
            )
        await check_definitions(self._state.compiler.definitions, key.namespace)
        for other in self._state.compiler.adopt(table):
            self._state.queues.decide.add(other)

    def _seed(self, table: ShardedTable, key: Key, body: Body) -> None:
        name = body["metadata"]["name"].removeprefix(f"{key.name}-{ROUTING}-")
        if name not in shards.FILE_NAMES:
            return
        part = table.part(name)
        try:
            shard = shards.decode(base64.b64decode((body.get("data") or {}).get(shards.FILE, ""), validate=True))
        except (shards.ShardError, binascii.Error, ValueError) as error:
            _log.warning("shard_broken", server=key.full_name, shard=name, reason=str(error))
            part.spoil()
            return
        if (shard.server, shard.name) == (key.full_name, name):
            part.seed(shard)
        else:
            part.spoil()

    def released(self, server: str) -> None:
        """Write the shards that differ, because all resources of the table were decided."""
        table = self._state.compiler.tables.get(server)
        for part in [] if table is None else table.parts.values():
            if part.is_behind:
                self._state.queues.shards.add((server, part.name))

    async def write(self, key: ShardKey) -> None:
        """Write one shard if it differs."""
        server, name = key
        table = self._state.compiler.tables.get(server)
        item = self._state.cache.items.get(server_key(server))
        if table is None or item is None or self._state.compiler.is_held(server):
            return  # `released` writes it later
        part = table.part(name)
        before = part.written
        try:
            if part.is_behind:
                await self._write(part, as_owner(item))
        finally:  # after a failure, statuses show that the change is pending
            for what in part.changed_since(before):
                self._state.queues.reports.add(resource_key(what))

    async def _write(self, part: ShardState, server: Body) -> None:
        attempt = part.begin(new_revision)
        if attempt is None:
            return
        body = self._build(server, part.name, attempt.data)
        await apply_child(self._cluster, self._state.owned, SECRETS, body)
        part.done(attempt)
        self._state.metrics.written.inc()
        self._state.rollouts_pending.setdefault(part.server, self._state.clock.monotonic())
        self._written.add(part.server)
        self._state.queues.touch.add(part.server, delay=_TOUCH_PAUSE)
        self._state.queues.readback.add(part.server)

    async def touch(self, server: str) -> None:
        """Annotate the server's pods, so that their kubelets refresh the mounted Secrets now and not within a minute.

        After a write, all pods get a value that identifies what was written. Later, pods that still lag get another
        value each time: a kubelet that read a stale cache reads again only when the pod changes.
        """
        table = self._state.compiler.tables.get(server)
        if table is None:
            return
        text = "\n".join(f"{name} {part.revision}" for name, part in sorted(table.parts.items()))
        value = hashlib.sha256(text.encode()).hexdigest()[:16]
        if server in self._written:
            self._written.discard(server)  # before the first await, because more may be written meanwhile
            await self._touch_all(server, value)
        else:
            for pod in self._state.pod_reports.lagging(table):
                await self._annotate(pod, f"{value}-{self._state.clock.wall().timestamp():.0f}")
        uids = {pod.uid for pod in self._state.owned.pods.known.values()}
        self._touched = {uid: text for uid, text in self._touched.items() if uid in uids}

    async def _touch_all(self, server: str, value: str) -> None:
        try:
            for pod in list(self._state.owned.pods.of(server)):
                if self._touched.get(pod.uid) != value:
                    await self._annotate(pod, value)
                    self._touched[pod.uid] = value
        except BaseException:
            self._written.add(server)
            raise

    async def _annotate(self, pod: Pod, value: str) -> None:
        patch = {"metadata": {"annotations": {ANNOTATION: value}}}
        with contextlib.suppress(NotFoundError):  # the pod was deleted meanwhile
            await self._cluster.patch(PODS, pod.namespace, pod.name, patch)
