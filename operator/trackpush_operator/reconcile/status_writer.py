"""Statuses and Events: gather → decide → patch, if anything differs from the present status."""

from typing import Final

import msgspec
import structlog

from trackpush_operator.decide import push, server, webhook
from trackpush_operator.decide.conditions import Condition, Finding, StatusOfResource, merged
from trackpush_operator.decide.events import Transition, transitions
from trackpush_operator.decide.programmed import PROGRAMMED
from trackpush_operator.kube.api import Api, Body, Cluster
from trackpush_operator.kube.errors import ClusterError, NotFoundError
from trackpush_operator.kube.kinds import (
    COMPONENT_LABEL,
    EVENTS,
    INSTANCE_LABEL,
    MANAGER,
    PUSH_CONFIGS,
    SERVERS,
    WEBHOOKS,
)
from trackpush_operator.reconcile.event_router import EventRouter
from trackpush_operator.reconcile.key_conflicts import contested
from trackpush_operator.reconcile.snapshots import push_snapshot, server_snapshot, webhook_snapshot
from trackpush_operator.reconcile.state import OperatorState
from trackpush_operator.store.objects import Item, Key, Kind

_APIS: Final[dict[Kind, Api]] = {Kind.SERVER: SERVERS, Kind.WEBHOOK: WEBHOOKS, Kind.PUSH: PUSH_CONFIGS}
_log = structlog.get_logger("reporting")


class StatusWriter:
    """Handles the keys of `Queues.reports`."""

    def __init__(self, cluster: Cluster, state: OperatorState, intake: EventRouter, identity: str) -> None:
        self._cluster = cluster
        self._state = state
        self._intake = intake
        self._identity = identity

    async def report(self, key: Key) -> None:
        """Bring one status up to date."""
        item = self._state.cache.items.get(key)
        verdict = self._state.compiler.verdicts.get(key)
        if item is None or verdict is None or verdict.generation != item.generation:
            return  # gone, or to be decided about first
        if key.kind is Kind.SERVER and self._is_unreconciled(item):
            return  # its children are looked at first, and then it is reported
        before = _status_of(item)
        after = self._decide(item, before)
        if after == before:
            return
        api = _APIS[key.kind]
        try:
            body = await self._cluster.patch(api, key.namespace, key.name, _patch(after), subresource="status")
        except NotFoundError:
            return
        self._intake.take(key.kind, body)  # so that the same isn't patched again before its event
        for transition in transitions(before.conditions, after.conditions, of_server=key.kind is Kind.SERVER):
            await self._tell(item, transition)
            for name, note in contested(item.key, verdict, before.conditions, transition):
                await self._tell_server(name, note)

    def _is_unreconciled(self, item: Item) -> bool:
        snapshot = server_snapshot(self._state, item)
        return item.key not in self._state.applied and server.makes_children(snapshot)

    def _decide(self, item: Item, before: StatusOfResource) -> StatusOfResource:
        verdict = self._state.compiler.verdicts[item.key]
        url = setup = selector = None
        replicas = ready = None
        was = any(
            (condition.type, condition.status, condition.observed_generation) == (PROGRAMMED, "True", item.generation)
            for condition in before.conditions
        )
        if item.key.kind is Kind.WEBHOOK:
            snapshot = webhook_snapshot(self._state, item, verdict, was_served=was)
            found: tuple[Finding, ...] = webhook.findings(snapshot)
            url, setup = webhook.url(snapshot), webhook.setup(snapshot)
        elif item.key.kind is Kind.PUSH:
            found = push.findings(push_snapshot(self._state, item, verdict, was_served=was))
        else:
            of_server = server_snapshot(self._state, item)
            found = server.findings(of_server)
            replicas, ready = self._state.fleet.count_pods(item.key.full_name), of_server.ready
            selector = f"{INSTANCE_LABEL}={item.key.name},{COMPONENT_LABEL}=server"
        conditions = merged(before.conditions, found, generation=item.generation, now=self._state.clock.stamp())
        return StatusOfResource(
            observed_generation=item.generation,
            url=url,
            setup=setup,
            replicas=replicas,
            ready_replicas=ready,
            selector=selector,
            conditions=conditions,
        )

    async def _tell_server(self, server: str, transition: Transition) -> None:
        """An Event in the WebhookServer's namespace: what tenants must not know of each other is for its admin."""
        item = self._state.cache.server(server)
        if item is not None:
            await self._tell(item, transition)

    async def _tell(self, item: Item, transition: Transition) -> None:
        try:
            await self._cluster.create(EVENTS, self._event(item, transition))
        except ClusterError as error:  # an Event is a courtesy
            _log.warning("event_not_written", resource=item.key.full_name, reason=transition.reason, error=str(error))

    def _event(self, item: Item, transition: Transition) -> Body:
        key, api = item.key, _APIS[item.key.kind]
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


def _status_of(item: Item) -> StatusOfResource:
    try:
        return msgspec.json.decode(item.status, type=StatusOfResource)
    except msgspec.DecodeError:
        return StatusOfResource()  # somebody else's; it is replaced


def _patch(status: StatusOfResource) -> Body:
    """A merge patch that sets all that is ours; null removes what was there before."""
    conditions: list[Condition] = list(status.conditions)
    return {
        "status": {
            "observedGeneration": status.observed_generation,
            "url": status.url,
            "setup": status.setup,
            "replicas": status.replicas,
            "readyReplicas": status.ready_replicas,
            "selector": status.selector,
            "conditions": msgspec.to_builtins(conditions),
        }
    }
