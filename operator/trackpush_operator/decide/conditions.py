"""Conditions: the results of checks, merged with the previous status."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, TypeVar

import msgspec

Status = Literal["True", "False", "Unknown"]
READY: Final = "Ready"
PENDING: Final = "Pending"
NO_READY_PODS: Final = "NoReadyPods"
SUSPENDED: Final = "Suspended"
SERVER_SUSPENDED: Final = "ServerSuspended"
INTENDED: Final = frozenset({SUSPENDED, SERVER_SUSPENDED})
"""Reasons for states that somebody requested."""
_MOST_CHARS: Final = 2000
S = TypeVar("S")


class Finding(msgspec.Struct, frozen=True):
    """The result of a check."""

    type: str
    status: Status
    reason: str
    message: str = ""


class Condition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A condition as the status contains it."""

    type: str
    status: Status
    reason: str = ""
    message: str = ""
    observed_generation: int = 0
    last_transition_time: str = ""


class StatusOfResource(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A complete status."""

    observed_generation: int = 0
    url: str | None = None
    setup: str | None = None
    last_update_time: str | None = None
    replicas: int | None = None
    ready_replicas: int | None = None
    selector: str | None = None
    conditions: tuple[Condition, ...] = ()


Check = Callable[[S], Finding | None]


def first(checks: Iterable[Check[S]], snapshot: S, otherwise: Finding) -> Finding:
    """The finding of the first check that returns one."""
    return next((found for check in checks if (found := check(snapshot)) is not None), otherwise)


def summary(findings: Sequence[Finding]) -> Finding:
    """``Ready``: the configuration is accepted and in effect.

    The first finding that isn't True gives reason and message.

    Tools wait for Ready after they applied a change (Flux, Argo CD, ``helm --wait``). So it must not depend on a
    client's endpoint or on a suspension: ``Delivering`` isn't passed to this function, and suspension doesn't count.
    """
    for status in ("False", "Unknown"):
        for finding in findings:
            if finding.status == status and finding.reason not in INTENDED:
                return Finding(READY, "False", finding.reason, finding.message)
    paused = next((finding.message for finding in findings if finding.reason in INTENDED), None)
    return Finding(READY, "True", READY, "everything is in place" if paused is None else f"as configured: {paused}")


def merged(
    previous: Iterable[Condition], findings: Iterable[Finding], *, generation: int, now: str
) -> tuple[Condition, ...]:
    """The new conditions. A transition time changes only with the condition's status."""
    before = {condition.type: condition for condition in previous}
    result = []
    for found in findings:
        old = before.get(found.type)
        since = old.last_transition_time if old is not None and old.status == found.status else now
        result.append(
            Condition(
                type=found.type,
                status=found.status,
                reason=found.reason,
                message=found.message[:_MOST_CHARS],
                observed_generation=generation,
                last_transition_time=since or now,
            )
        )
    return tuple(result)
