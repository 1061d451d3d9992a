"""The worker of the queue `decide`: reads unknown Secrets, calls the compiler, and enqueues the results."""

import asyncio

import structlog

from trackpush_operator.kube.api import Body, Cluster, ObjectSelection
from trackpush_operator.kube.errors import ForbiddenError, NotFoundError
from trackpush_operator.kube.kinds import NAMESPACES, SECRETS, UNWATCHED_TYPES
from trackpush_operator.reconcile.definition_checks import check_definitions
from trackpush_operator.reconcile.shard_writer import ShardWriter
from trackpush_operator.reconcile.state import OperatorState
from trackpush_operator.store.namespace_uids import namespace_object
from trackpush_operator.store.objects import Key, Kind, version_of
from trackpush_operator.store.resources import Ref

_log = structlog.get_logger("compile_worker")
_BREATH = 20
_DEBOUNCE = 0.005
"""Seconds for which a changed shard waits for further changes."""


class CompileWorker:
    """Handles the keys of `Queues.decide`."""

    def __init__(self, cluster: Cluster, state: OperatorState, shard_writer: ShardWriter) -> None:
        self._cluster = cluster
        self._state = state
        self._shard_writer = shard_writer
        self._handled = 0

    async def decide(self, key: Key) -> None:
        """Decide about one resource."""
        assert self._state.lists_synced, "nothing may be decided before all initial lists are complete"
        try:
            await self._prepare(key)
            self._decide(key)
        finally:  # a resource that can't be decided keeps its entries, and delays no other resource
            for server in self._state.compiler.release(key):
                self._shard_writer.released(server)
        self._handled += 1
        if self._handled % _BREATH == 0:
            await asyncio.sleep(0)

    async def _prepare(self, key: Key) -> None:
        for ref in self._state.cache.unread_secrets(key):
            await self._fetch(ref)
        if self._state.cache.lacks_namespace_uid(key):
            await self._look_at_namespace(key.namespace)
        if key.kind is Kind.DEFINITION:
            await check_definitions(self._state.compiler.definitions, key.namespace)
        is_new_server = key.kind is Kind.SERVER and key.full_name not in self._state.compiler.tables
        if is_new_server and key in self._state.cache.items:
            await self._shard_writer.adopt(key)

    async def _look_at_namespace(self, name: str) -> None:
        """Read the namespace object of a known resource.

        Raises:
            NotFoundError: it does not exist, so the resource is deleted, too, and the watch will report this soon.
        """
        begun = self._state.cache.namespace_uids.now()
        try:
            body = await self._namespace(name)
        except ForbiddenError:
            _log.warning("namespace_not_readable", namespace=name, what="its clients are not bound to its UID")
            self._state.cache.namespace_uids.looked(name, "", begun)
            return
        self._state.cache.namespace_uids.take(name, namespace_object(body))
        self._state.cache.namespace_uids.looked(name, body["metadata"].get("uid", ""), begun)

    async def _namespace(self, name: str) -> Body:
        if self._state.scope.namespaces:
            return await self._cluster.get(NAMESPACES, None, name)
        # a list needs only the permission that the watch needs, too
        selection = ObjectSelection(fields=f"metadata.name={name}")
        async for page in self._cluster.pages(NAMESPACES, None, selection):
            for body in page.items:
                return body
        raise NotFoundError(f"no Namespace {name}")

    async def _fetch(self, ref: Ref) -> None:
        try:
            body = await self._cluster.get(SECRETS, *ref)
        except NotFoundError:
            self._state.cache.drop_secret(ref, 0)
        else:
            if body.get("type") in UNWATCHED_TYPES:  # Secrets of this type are not watched, so changes would be missed
                self._state.cache.drop_secret(ref, version_of(body))
            else:
                self._state.cache.take_secret(body)
        if self._state.cache.is_outdated(ref):  # it was created or changed during the read
            self._state.queues.secrets.add(ref)

    def _decide(self, key: Key) -> None:
        queues, compiler = self._state.queues, self._state.compiler
        if key.kind is Kind.SERVER and key not in self._state.cache.items:
            self._state.rollouts_pending.pop(key.full_name, None)
        effects = compiler.decide(key)
        for again in effects.again:
            queues.decide.add(again)
        for other in effects.verdicts - {key}:
            queues.reports.add(other)
        for again, delay in effects.later.items():
            queues.decide.add(again, delay=delay)
        for part in effects.parts:
            queues.shards.add(part, delay=_DEBOUNCE)
        if key.kind is Kind.SERVER:
            queues.servers.add(key)
            queues.readback.add(key.full_name)
        if not self._is_to_be_written(key, effects.parts):
            queues.reports.add(key)

    def _is_to_be_written(self, key: Key, parts: set[tuple[str, str]]) -> bool:
        """Whether the write of its shard will enqueue its status, so that the status isn't patched twice."""
        return key.kind in (Kind.WEBHOOK, Kind.PUSH) and bool(parts)
