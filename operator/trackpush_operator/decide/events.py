"""Which changes of a status are worth an Event. Pure."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from trackpush_operator.decide.conditions import NO_READY_PODS, PENDING, READY, SERVER_SUSPENDED, Condition

_PASSING = frozenset({PENDING, NO_READY_PODS, SERVER_SUSPENDED, "NotServed"})
"""Reasons that come and go by themselves, or follow from another condition's; the WebhookServer's own Event tells of
missing pods, and of its suspension.
"""


class Transition(NamedTuple):
    """One Event to be written."""

    type: str
    """``Normal`` or ``Warning``."""
    reason: str
    note: str


def transitions(before: Iterable[Condition], after: Iterable[Condition], *, of_server: bool) -> Iterator[Transition]:
    """An Event for each condition that became bad, changed its reason, or became good again."""
    passing = frozenset({PENDING}) if of_server else _PASSING
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
