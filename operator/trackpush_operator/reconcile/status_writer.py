"""Writes statuses and Events: snapshot → decide → patch, if anything differs from the current status."""

import msgspec
import structlog

from trackpush_operator.decide.conditions import Condition, Finding, StatusOfResource, merged
from trackpush_operator.decide.events import Transition, transitions
from trackpush_operator.kube.api import Body, Cluster
from trackpush_operator.kube.errors import ClusterError, NotFoundError
from trackpush_operator.kube.kinds import EVENTS, MANAGER
from trackpush_operator.reconcile.event_router import EventRouter
from trackpush_operator.reconcile.key_conflicts import conflict_events
from trackpush_operator.reconcile.recipes import RECIPES
from trackpush_operator.reconcile.snapshots import previous_status
from trackpush_operator.reconcile.state import OperatorState
from trackpush_operator.store.objects import Item, Key

_log = structlog.get_logger("status_writer")


class StatusWriter:
    """Handles the keys of `Queues.reports`."""

    def __init__(self, cluster: Cluster, state: OperatorState, router: EventRouter, identity: str) -> None:
        self._cluster = cluster
        self._state = state
        self._router = router
        self._identity = identity

    async def write(self, key: Key) -> None:
        """Write one status if it differs."""
        item = self._state.cache.items.get(key)
        verdict = self._state.compiler.verdicts.get(key)
        if item is None or verdict is None or verdict.generation != item.generation:
            return  # deleted, or not compiled yet
        recipe = RECIPES[key.kind]
        snapshot = recipe.snapshot(self._state, item)
        if recipe.awaits(snapshot):
            return
        before = previous_status(item)
        after = self._status(item, before, recipe.fields(snapshot), recipe.findings(snapshot))
        if after == before:
            return
        try:
            body = await self._cluster.patch(recipe.api, key.namespace, key.name, _patch(after), subresource="status")
        except NotFoundError:
            return
        # record the answer, so that the same status isn't patched again before its event arrives
        self._router.take(key.kind, body)
        for transition in transitions(before.conditions, after.conditions, recipe.passing):
            await self._emit_event(item, transition)
            for server, note in conflict_events(item.key, verdict, before.conditions, transition):
                await self._emit_server_event(server, note)

    def _status(
        self, item: Item, before: StatusOfResource, fields: StatusOfResource, findings: tuple[Finding, ...]
    ) -> StatusOfResource:
        now = self._state.clock.stamp()
        conditions = merged(before.conditions, findings, generation=item.generation, now=now)
        return msgspec.structs.replace(fields, observed_generation=item.generation, conditions=conditions)

    async def _emit_server_event(self, server: str, transition: Transition) -> None:
        """Write an Event in the WebhookServer's namespace, because only its admin may know about both tenants."""
        item = self._state.cache.server(server)
        if item is not None:
            await self._emit_event(item, transition)

    async def _emit_event(self, item: Item, transition: Transition) -> None:
        try:
            await self._cluster.create(EVENTS, self._event(item, transition))
        except ClusterError as error:  # a missing Event does no harm
            _log.warning("event_not_written", resource=item.key.full_name, reason=transition.reason, error=str(error))

    def _event(self, item: Item, transition: Transition) -> Body:
        key, api = item.key, RECIPES[item.key.kind].api
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"namespace": key.namespace, "generateName": f"{key.name[:200]}-"},
            "eventTime": self._state.clock.wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": f"trackpush.dev/{MANAGER}",
            "reportingInstance": self._identity[:128],
            "action": "Reconcile",
            "reason": transition.reason,
            "note": transition.note[:1000],
            "type": transition.type,
            "regarding": {
                "apiVersion": api.api_version,
                "kind": api.kind,
                "namespace": key.namespace,
                "name": key.name,
                "uid": item.uid,
            },
        }


def _patch(status: StatusOfResource) -> Body:
    """A merge patch that sets all of the operator's fields; null removes a previous value."""
    conditions: list[Condition] = list(status.conditions)
    return {
        "status": {
            "observedGeneration": status.observed_generation,
            "url": status.url,
            "setup": status.setup,
            "lastUpdateTime": status.last_update_time,
            "replicas": status.replicas,
            "readyReplicas": status.ready_replicas,
            "selector": status.selector,
            "conditions": msgspec.to_builtins(conditions),
        }
    }
