"""The condition Programmed of an account or a destination: whether every ready pod serves it.

The pods' reports decide; nothing is assumed. A pod that restarts must not change the status of ten thousand resources
twice. So a resource that all pods served stays Programmed for a short time (`Rollout.grace`) while pods are missing or
don't answer.
"""

from trackpush_operator.decide.conditions import NO_READY_PODS, PENDING, SERVER_SUSPENDED, Finding
from trackpush_operator.store.rollout import Rollout

PROGRAMMED = "Programmed"


def programmed(rollouts: tuple[Rollout, ...], *, served: bool) -> Finding:
    """The condition of a resource of these servers; ``served`` is False if no part of it can be served."""
    if not served or not rollouts:
        return Finding(PROGRAMMED, "False", "NotServed", "no part of it is served; see the other conditions")
    for check in (_refused, _unwritten, _paused, _without_pods, _unserved):
        for rollout in rollouts:
            found = check(rollout)
            if found is not None:
                return found
    return Finding(PROGRAMMED, "True", PROGRAMMED, "every ready server pod serves it")


def _refused(rollout: Rollout) -> Finding | None:
    if not rollout.refused:
        return None
    message = f"its shard of {rollout.server}'s routing table is full; what was served before stays. Make it smaller"
    return Finding(PROGRAMMED, "False", "ShardFull", message)


def _unwritten(rollout: Rollout) -> Finding | None:
    if rollout.written:
        return None
    return Finding(PROGRAMMED, "False", PENDING, f"{rollout.server}'s routing table is being written")


def _paused(rollout: Rollout) -> Finding | None:
    if not rollout.suspended:
        return None
    message = f"WebhookServer {rollout.server} is suspended: it has no pods; once resumed, it serves this resource"
    return Finding(PROGRAMMED, "False", SERVER_SUSPENDED, message)


def _without_pods(rollout: Rollout) -> Finding | None:
    if rollout.ready or (rollout.grace and rollout.confirmed):
        return None
    message = f"WebhookServer {rollout.server} has no ready pod; see its conditions"
    return Finding(PROGRAMMED, "False", NO_READY_PODS, message)


def _unserved(rollout: Rollout) -> Finding | None:
    if rollout.served or (rollout.grace and rollout.confirmed):
        return None
    return Finding(PROGRAMMED, "False", PENDING, rollout.trouble or f"not every pod of {rollout.server} serves it yet")
