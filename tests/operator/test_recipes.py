"""Each kind has a recipe, which makes its status from the operator's state."""

import msgspec
import pytest

from support import objects
from trackpush_operator.decide.conditions import StatusOfResource
from trackpush_operator.metrics import Metrics
from trackpush_operator.reconcile.recipes import RECIPES
from trackpush_operator.reconcile.snapshots import previous_status
from trackpush_operator.reconcile.state import OperatorState
from trackpush_operator.store.objects import Item, Key, Kind
from trackpush_operator.store.shard_revisions import ShardedTable

SERVER = Key(Kind.SERVER, "trackpush", "main")
BODIES = {
    Kind.SERVER: objects.server(),
    Kind.DEFINITION: objects.definition(),
    Kind.WEBHOOK: objects.webhook(),
    Kind.PUSH: objects.push(),
}


@pytest.fixture
def state() -> OperatorState:
    """One resource of each kind, all compiled."""
    state = OperatorState(Metrics())
    state.compiler.adopt(ShardedTable(SERVER.full_name))
    for kind, body in BODIES.items():
        state.cache.take_item(kind, objects.made(body))
    for item in state.compiler.definitions.unchecked("trackpush"):
        state.compiler.definitions.take_check(item, ())
    for key in state.cache.items:
        state.compiler.decide(key)
    return state


def item_of(state: OperatorState, kind: Kind) -> Item:
    (item,) = (item for key, item in state.cache.items.items() if key.kind is kind)
    return item


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_has_a_recipe_that_begins_with_ready(state: OperatorState, kind: Kind) -> None:
    recipe = RECIPES[kind]
    snapshot = recipe.snapshot(state, item_of(state, kind))
    assert recipe.api.kind == kind.value
    assert recipe.findings(snapshot)[0].type == "Ready"


@pytest.mark.parametrize(
    ("kind", "named"),
    [
        (Kind.SERVER, {"replicas", "ready_replicas", "selector"}),
        (Kind.WEBHOOK, {"url", "setup"}),
        (Kind.PUSH, set()),
        (Kind.DEFINITION, set()),
    ],
)
def test_a_status_has_the_fields_of_its_kind_only(state: OperatorState, kind: Kind, named: set[str]) -> None:
    fields = RECIPES[kind].fields(RECIPES[kind].snapshot(state, item_of(state, kind)))
    given = {name for name, value in msgspec.structs.asdict(fields).items() if value is not None}
    assert given - {"observed_generation", "conditions"} == named
    assert (fields.observed_generation, fields.conditions) == (0, ())


def test_a_servers_status_waits_until_its_children_were_reconciled(state: OperatorState) -> None:
    recipe, item = RECIPES[Kind.SERVER], item_of(state, Kind.SERVER)
    assert recipe.awaits(recipe.snapshot(state, item))
    for outcome in ("", "the API server refuses a child"):
        state.applied[SERVER] = outcome
        assert not recipe.awaits(recipe.snapshot(state, item))


def test_the_status_of_a_server_that_gets_no_children_does_not_wait(state: OperatorState) -> None:
    body = objects.made(objects.server())
    body["spec"] = {"storage": "nonsense"}
    body["metadata"]["resourceVersion"] = str(10**9)
    state.cache.take_item(Kind.SERVER, body)
    recipe = RECIPES[Kind.SERVER]
    assert not recipe.awaits(recipe.snapshot(state, item_of(state, Kind.SERVER)))


@pytest.mark.parametrize("kind", [Kind.WEBHOOK, Kind.PUSH, Kind.DEFINITION])
def test_the_other_statuses_wait_for_nothing(state: OperatorState, kind: Kind) -> None:
    recipe = RECIPES[kind]
    assert not recipe.awaits(recipe.snapshot(state, item_of(state, kind)))


@pytest.mark.parametrize("kind", [Kind.WEBHOOK, Kind.PUSH])
@pytest.mark.parametrize(("generation", "expected"), [(1, True), (0, False)])
def test_what_was_programmed_stays_so_only_for_the_generation_that_the_status_names(
    state: OperatorState, kind: Kind, generation: int, *, expected: bool
) -> None:
    body = objects.made(BODIES[kind])
    conditions = [{"type": "Programmed", "status": "True", "observedGeneration": generation}]
    body["metadata"] |= {"resourceVersion": str(10**9), "generation": 1}
    state.cache.take_item(kind, {**body, "status": {"conditions": conditions}})
    item = item_of(state, kind)
    state.compiler.decide(item.key)
    rollouts = RECIPES[kind].snapshot(state, item).rollouts
    assert [rollout.confirmed for rollout in rollouts] == [expected]


def test_a_status_that_something_else_wrote_counts_as_empty(state: OperatorState) -> None:
    item = item_of(state, Kind.PUSH)
    assert previous_status(msgspec.structs.replace(item, status=b'{"conditions": 1}')) == StatusOfResource()
