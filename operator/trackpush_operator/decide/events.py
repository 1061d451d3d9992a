"""Chooses the changes of a status that become Events. Pure."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from trackpush_operator.decide.conditions import NO_READY_PODS, PENDING, READY, SERVER_SUSPENDED, Condition

PASSING: Final = frozenset({PENDING, NO_READY_PODS, SERVER_SUSPENDED, "NotServed"})
"""Reasons without an Event: they are short-lived, or follow from a condition of the WebhookServer, which has the Event.
"""
PASSING_OF_SERVERS: Final = frozenset({PENDING})


class Transition(NamedTuple):
    """One Event to write."""

    type: str
    """``Normal`` or ``Warning``."""
    reason: str
    note: str


def transitions(
    before: Iterable[Condition], after: Iterable[Condition], passing: frozenset[str]
) -> Iterator[Transition]:
    """An Event for each condition that became bad, changed its reason, or became good again."""
    known = {condition.type: condition for condition in before}
    for condition in after:
        old = known.get(condition.type)
        if condition.type == READY or (
            old is not None and (old.status, old.reason) == (condition.status, condition.reason)
        ):
            continue
        was_bad = old is not None and old.status == "False" and old.reason not in passing
        if condition.status == "False" and condition.reason not in passing:
            yield Transition("Warning", condition.reason, f"{condition.type}: {condition.message}")
        elif condition.status == "True" and was_bad:
            yield Transition(
                "Normal",
                condition.reason,
                f"{condition.type} again: {condition.message}" if condition.message else condition.type,
            )
