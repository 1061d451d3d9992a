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
    known = {one.type: one for one in before}
    for one in after:
        old = known.get(one.type)
        if one.type == READY or (old is not None and (old.status, old.reason) == (one.status, one.reason)):
            continue
        was_bad = old is not None and old.status == "False" and old.reason not in passing
        if one.status == "False" and one.reason not in passing:
            yield Transition("Warning", one.reason, f"{one.type}: {one.message}")
        elif one.status == "True" and was_bad:
            yield Transition("Normal", one.reason, f"{one.type} again: {one.message}" if one.message else one.type)
