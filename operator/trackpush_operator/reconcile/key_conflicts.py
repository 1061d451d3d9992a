"""Builds Events for a WebhookServer's admin about two AggregatorWebhooks that claim one key. Pure.

The status of neither mentions the other, which may be another tenant's.
"""

from collections.abc import Iterable, Iterator

from trackpush_api.problems import Reason
from trackpush_operator.compile.verdicts import CompileVerdict
from trackpush_operator.decide.conditions import Condition
from trackpush_operator.decide.events import Transition
from trackpush_operator.store.objects import Key


def conflict_events(
    key: Key, verdict: CompileVerdict, before: Iterable[Condition], transition: Transition
) -> Iterator[tuple[str, Transition]]:
    """The server (``namespace/name``) and the Event for it, after a transition of an AggregatorWebhook's status."""
    if transition.reason == Reason.KEY_CONFLICT:
        for rival in verdict.rivals:
            note = (
                f"AggregatorWebhook {key.full_name} claims a key of AggregatorWebhook {rival.owner}, which keeps it; "
                "find out who should have it, and replace the key of the other one"
            )
            yield rival.server, Transition("Warning", Reason.KEY_CONFLICT.value, note)
    elif transition.reason == "Accepted" and any(condition.reason == Reason.KEY_CONFLICT for condition in before):
        for rival in verdict.succeeded:
            note = f"AggregatorWebhook {key.full_name} has the key now that AggregatorWebhook {rival.owner} had"
            yield rival.server, Transition("Warning", "KeyTakenOver", note)
