"""The condition Receiving of an AggregatorWebhook: whether its aggregator's updates arrive. docs/silence.md.

It has two causes: the server refuses the aggregator's requests, or the aggregator sends no updates. It isn't about the
configuration, so Ready ignores it.
"""

from typing import Final, Protocol

from trackpush_aggregators.updates import rfc3339
from trackpush_operator.decide.conditions import (
    NO_READY_PODS,
    SERVER_SUSPENDED,
    Finding,
    StatusOfResource,
)
from trackpush_operator.store.rollout import AccountReport, Rollout

RECEIVING: Final = "Receiving"


class ReceivingSnapshot(Protocol):
    """The parts of `WebhookSnapshot` on which the condition depends."""

    @property
    def served(self) -> bool: ...
    @property
    def rollouts(self) -> tuple[Rollout, ...]: ...
    @property
    def refusals(self) -> int: ...
    @property
    def expect_every(self) -> str | None: ...
    @property
    def activity(self) -> AccountReport | None: ...
    @property
    def before(self) -> StatusOfResource: ...


def receiving(snapshot: ReceivingSnapshot) -> tuple[Finding, ...]:
    """The condition; without ``expectEvery``, it exists only while requests are refused."""
    refused = _refused(snapshot)
    if refused is not None:
        return (refused,)
    if snapshot.expect_every is None:
        return ()
    return (_unserved(snapshot) or _unreported(snapshot) or _reported(snapshot),)


def last_update_time(snapshot: ReceivingSnapshot) -> str | None:
    """The time of the last update, as RFC 3339; the previous one if no pod has reported it."""
    activity = snapshot.activity
    if activity is None or activity.last_update is None:
        return snapshot.before.last_update_time
    return rfc3339(activity.last_update // 1000 * 1000)


def _refused(snapshot: ReceivingSnapshot) -> Finding | None:
    if not snapshot.refusals:
        return None
    message = (
        f"the last {snapshot.refusals} or more requests of its sender were not answered with 2xx; some aggregators"
        " switch a webhook off after 100: the server's log and metrics have the reason. It disappears with the next 2xx"
    )
    return Finding(RECEIVING, "False", "SenderRefused", message)


def _unserved(snapshot: ReceivingSnapshot) -> Finding | None:
    if not snapshot.served:
        return Finding(RECEIVING, "Unknown", "NotServed", "it is not served")
    if any(rollout.ready or (rollout.grace and rollout.confirmed) for rollout in snapshot.rollouts):
        return None
    if any(rollout.suspended for rollout in snapshot.rollouts):
        return Finding(RECEIVING, "Unknown", SERVER_SUSPENDED, "its WebhookServer is suspended")
    return Finding(RECEIVING, "Unknown", NO_READY_PODS, "no server pod is ready to report on its updates")


def _unreported(snapshot: ReceivingSnapshot) -> Finding | None:
    """Keep the condition until the pods have reported: an operator that restarts must not change any status."""
    activity = snapshot.activity
    if activity is not None and activity.state not in {"unknown", "unwatched"}:
        return None
    for condition in snapshot.before.conditions:
        if condition.type == RECEIVING and condition.reason in {"Receiving", "Silent", "NoUpdateYet"}:
            return Finding(RECEIVING, condition.status, condition.reason, condition.message)
    return Finding(RECEIVING, "Unknown", "NotReported", "no server pod has reported its last update yet")


def _reported(snapshot: ReceivingSnapshot) -> Finding:
    activity, expected = snapshot.activity, snapshot.expect_every
    assert activity is not None
    if activity.state == "silent" and activity.last_update is None:
        message = (
            f"no update since it was created; spec.expectEvery is {expected}. Paste status.url into the aggregator's"
            " panel, and send a test from there"
        )
        return Finding(RECEIVING, "False", "Silent", message)
    if activity.state == "silent":
        since = rfc3339((activity.silent_since or 0) // 1000 * 1000)
        message = (
            f"no update since {since}; spec.expectEvery is {expected}. Look whether the aggregator's panel has switched"
            " the webhook off, and whether the inbox has its bodies"
        )
        return Finding(RECEIVING, "False", "Silent", message)
    if activity.state == "waiting":
        return Finding(RECEIVING, "Unknown", "NoUpdateYet", "no update has arrived yet")
    return Finding(RECEIVING, "True", RECEIVING, f"an update arrived within {expected}")
