"""One recipe for the status of each kind. The rest of the status writer is the same for all kinds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from trackpush_operator.decide import definition, push, server, webhook
from trackpush_operator.decide.conditions import Finding, StatusOfResource
from trackpush_operator.decide.events import PASSING, PASSING_OF_SERVERS
from trackpush_operator.kube.api import Api
from trackpush_operator.kube.kinds import DEFINITIONS, PUSH_CONFIGS, SERVERS, WEBHOOKS
from trackpush_operator.reconcile.snapshots import (
    definition_snapshot,
    push_snapshot,
    server_snapshot,
    webhook_snapshot,
)
from trackpush_operator.reconcile.state import OperatorState
from trackpush_operator.store.objects import Item, Kind

S = TypeVar("S")


def _never(_: object) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Recipe(Generic[S]):
    """The functions that compute the status of one kind."""

    api: Api
    snapshot: Callable[[OperatorState, Item], S]
    """Returns everything that the status depends on. The functions below use nothing else."""
    findings: Callable[[S], tuple[Finding, ...]]
    fields: Callable[[S], StatusOfResource]
    """Returns the status without conditions."""
    passing: frozenset[str] = PASSING
    """Reasons of conditions for which no Event is written."""
    awaits: Callable[[S], bool] = _never
    """Returns whether the status must wait for other work, which enqueues it again."""


RECIPES: Final[dict[Kind, Recipe[Any]]] = {
    Kind.SERVER: Recipe(
        api=SERVERS,
        snapshot=server_snapshot,
        findings=server.findings,
        fields=server.fields,
        passing=PASSING_OF_SERVERS,
        awaits=server.awaits_children,
    ),
    Kind.WEBHOOK: Recipe(api=WEBHOOKS, snapshot=webhook_snapshot, findings=webhook.findings, fields=webhook.fields),
    Kind.PUSH: Recipe(api=PUSH_CONFIGS, snapshot=push_snapshot, findings=push.findings, fields=push.fields),
    Kind.DEFINITION: Recipe(
        api=DEFINITIONS, snapshot=definition_snapshot, findings=definition.findings, fields=definition.fields
    ),
}
