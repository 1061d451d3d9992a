"""AggregatorDefinition: snapshot → conditions."""

from typing import Final

import msgspec

from trackpush_api.problems import Problem
from trackpush_operator.decide.conditions import Finding, StatusOfResource, first, summary
from trackpush_operator.decide.problems import found_in, hints
from trackpush_operator.decide.programmed import PROGRAMMED, programmed
from trackpush_operator.store.rollout import Rollout

NO_SERVER: Final = "NoServer"


class DefinitionSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that its status depends on."""

    namespace: str
    problems: tuple[Problem, ...] = ()
    servers: tuple[str, ...] = ()
    """The WebhookServers of its namespace."""
    served: bool = False
    """Whether all of them have a version of it."""
    rollouts: tuple[Rollout, ...] = ()


def findings(snapshot: DefinitionSnapshot) -> tuple[Finding, ...]:
    """Ready first, then the conditions that it summarises."""
    accepted = found_in(snapshot.problems, "Accepted") or Finding(
        "Accepted", "True", "Accepted", hints(snapshot.problems)
    )
    served = programmed(snapshot.rollouts, served=True)
    parts = (accepted, first((_refused, _without_server), snapshot, served))
    return summary(parts), *parts


def fields(_: DefinitionSnapshot) -> StatusOfResource:
    """The status fields beside the conditions: none."""
    return StatusOfResource()


def _refused(snapshot: DefinitionSnapshot) -> Finding | None:
    if found_in(snapshot.problems, "Accepted") is None:
        return None
    message = "the last accepted version is in use" if snapshot.served else "no version of it is in use"
    return Finding(PROGRAMMED, "False", "NotServed", f"this version is not accepted; {message}")


def _without_server(snapshot: DefinitionSnapshot) -> Finding | None:
    if snapshot.servers:
        return None
    message = (
        f"there is no WebhookServer in namespace {snapshot.namespace}, and only those of its own namespace use it;"
        " create it in the namespace of a WebhookServer"
    )
    return Finding(PROGRAMMED, "False", NO_SERVER, message)
