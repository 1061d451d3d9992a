"""Builds the snapshots that status decisions depend on. Only this module reads the state for them."""

from functools import partial

import msgspec

from trackpush_api.kinds import AggregatorWebhookSpec, PushConfigSpec, WebhookServerSpec
from trackpush_operator.compile.entries import entry_key
from trackpush_operator.compile.verdicts import CompileVerdict
from trackpush_operator.decide.conditions import StatusOfResource
from trackpush_operator.decide.definition import DefinitionSnapshot
from trackpush_operator.decide.host_ownership import HostPath, claim_of, hosts_of_others, withheld
from trackpush_operator.decide.programmed import PROGRAMMED
from trackpush_operator.decide.push import PushSnapshot
from trackpush_operator.decide.server import ServerSnapshot
from trackpush_operator.decide.webhook import WebhookSnapshot
from trackpush_operator.kube.kinds import HTTP_ROUTES
from trackpush_operator.reconcile.state import OperatorState
from trackpush_operator.store.objects import Item, Key, resource_of, server_key
from trackpush_operator.store.rollout import PushTrouble, Rollout
from trackpush_operator.store.scope import unwatched


def previous_status(item: Item) -> StatusOfResource:
    """The current status of a resource. If something else wrote it, an empty status, so that it is replaced."""
    try:
        return msgspec.json.decode(item.status, type=StatusOfResource)
    except msgspec.DecodeError:
        return StatusOfResource()


def webhook_snapshot(state: OperatorState, item: Item) -> WebhookSnapshot:
    """The snapshot of a compiled AggregatorWebhook."""
    verdict = state.compiler.verdicts[item.key]
    spec = resource_of(item)[0].spec
    server = next(iter(verdict.servers), None)
    aggregator = spec.aggregator if isinstance(spec, AggregatorWebhookSpec) else None
    known = None if server is None or aggregator is None else state.compiler.definitions.known(server)
    return WebhookSnapshot(
        facts=None if known is None or aggregator is None else known.profiles.get(aggregator),
        problems=verdict.problems,
        server=server,
        server_spec=None if server is None else _server_spec(state, server),
        withheld=frozenset() if server is None else _withheld(state, server),
        suspended=isinstance(spec, AggregatorWebhookSpec) and spec.suspend,
        served=verdict.served,
        rollouts=_rollouts(state, item, verdict),
        refusals=sum(state.pod_reports.refusals(name, item.key.full_name) for name in verdict.servers),
        expect_every=spec.expect_every if isinstance(spec, AggregatorWebhookSpec) else None,
        activity=None if server is None else state.pod_reports.activity(server, item.key.full_name),
        before=previous_status(item),
    )


def push_snapshot(state: OperatorState, item: Item) -> PushSnapshot:
    """The snapshot of a compiled PushConfig."""
    verdict = state.compiler.verdicts[item.key]
    spec = resource_of(item)[0].spec
    return PushSnapshot(
        problems=verdict.problems,
        served=verdict.served,
        used=verdict.used,
        suspended=isinstance(spec, PushConfigSpec) and spec.suspend,
        rollouts=_rollouts(state, item, verdict),
        trouble=_trouble(state, item.key, verdict),
    )


def definition_snapshot(state: OperatorState, item: Item) -> DefinitionSnapshot:
    """Of an AggregatorDefinition that was compiled."""
    verdict = state.compiler.verdicts[item.key]
    return DefinitionSnapshot(
        namespace=item.key.namespace,
        problems=verdict.problems,
        servers=verdict.servers,
        served=verdict.served,
        rollouts=_rollouts(state, item, verdict),
    )


def server_snapshot(state: OperatorState, item: Item) -> ServerSnapshot:
    """The snapshot of a WebhookServer."""
    key = item.key
    verdict = state.compiler.verdicts.get(key)
    spec = resource_of(item)[0].spec
    trouble = state.applied.get(key)
    table = state.compiler.tables.get(key.full_name)
    rollout = None if table is None else state.pod_reports.rollout(table, entry_key(key), state.clock.monotonic())
    return ServerSnapshot(
        name=key.name,
        spec=spec if isinstance(spec, WebhookServerSpec) else None,
        problems=() if verdict is None else verdict.problems,
        older_hosts=taken_hosts(state, item),
        any_annotation=state.any_annotation,
        any_pod_template=state.any_pod_template,
        has_http_routes=HTTP_ROUTES in state.optional_kinds,
        applied=trouble == "",
        trouble=trouble or "",
        volume=state.volumes.get(key, ""),
        written=rollout is not None and rollout.written,
        pods=state.owned.count_pods(key.full_name),
        ready=len(state.owned.ready_pods(key.full_name)),
        served=rollout is not None and rollout.served,
        unasked="" if rollout is None else rollout.trouble,
        unwatched={} if table is None else unwatched(table, state.scope),
    )


def _withheld(state: OperatorState, server: str) -> frozenset[str]:
    item, spec = state.cache.server(server), _server_spec(state, server)
    return frozenset() if item is None or spec is None else withheld(spec, taken_hosts(state, item))


def _rollouts(state: OperatorState, item: Item, verdict: CompileVerdict) -> tuple[Rollout, ...]:
    tables = (state.compiler.tables.get(server) for server in verdict.servers)
    now, entry, was_served = state.clock.monotonic(), entry_key(item.key), _was_programmed(item)
    found = (
        state.pod_reports.rollout(table, entry, now, was_served=was_served) for table in tables if table is not None
    )
    return tuple(msgspec.structs.replace(rollout, suspended=_is_suspended(state, rollout.server)) for rollout in found)


def _was_programmed(item: Item) -> bool:
    """Whether its status has Programmed for its current generation. The status survives a restart of the operator."""
    return any(
        (condition.type, condition.status, condition.observed_generation) == (PROGRAMMED, "True", item.generation)
        for condition in previous_status(item).conditions
    )


def _is_suspended(state: OperatorState, server: str) -> bool:
    spec = _server_spec(state, server)
    return spec is not None and spec.suspend


def _trouble(state: OperatorState, key: Key, verdict: CompileVerdict) -> PushTrouble | None:
    found = (state.pod_reports.trouble(server, key.full_name) for server in verdict.servers)
    return next((trouble for trouble in found if trouble is not None), None)


def _server_spec(state: OperatorState, server: str) -> WebhookServerSpec | None:
    item = state.cache.server(server)
    spec = None if item is None else resource_of(item)[0].spec
    return spec if isinstance(spec, WebhookServerSpec) else None


def taken_hosts(state: OperatorState, item: Item) -> frozenset[HostPath]:
    """The hosts that other WebhookServers own and this one can't have."""
    others = (state.cache.items[server_key(name)] for name in state.cache.servers)
    claim = partial(claim_of, any_pod_template=state.any_pod_template)
    return hosts_of_others(claim(item), (claim(other) for other in others if other.key != item.key))
