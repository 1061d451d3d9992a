"""The ledger of the demo: the expected pushes, the pushes that arrived, and the verdict on both.

Pure: its inputs are the posts and arrivals, with times in seconds of one monotonic clock. The ids are known before an
update is posted, because a push's id is derived from the update (`updates.update_key`). For an update without a time,
only a part of the id is known (`ids.without_occurrence`).
"""

from collections import Counter, OrderedDict
from collections.abc import Iterable

import msgspec

from trackpush_server.ids import without_occurrence

KEPT = 5000
"""Number of ended pushes to remember: a demo can run for days. A later duplicate counts as foreign."""


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """One push that must arrive."""

    webhook_id: str
    push_config: str
    account: str
    shipment: str
    """Identifies the lane, together with ``push_config`` and ``account``."""
    status: str
    late: bool = False
    """Whether an update with a later event time was posted before."""
    label: str
    """The name of the posted body in messages."""


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One request at a client's endpoint."""

    webhook_id: str
    push_config: str
    answered: int
    """The HTTP status with which the endpoint answered."""
    at: float
    status: str | None = None
    """The canonical status in the body; None if the format has none."""
    late: bool | None = None
    """The value of ``late`` in the body; None if the format has none."""
    faults: tuple[str, ...] = ()
    """Errors of the request itself: credentials, signature, ids."""

    @property
    def taken(self) -> bool:
        return 200 <= self.answered < 300  # noqa: PLR2004  HTTP's own class


class DemoPush(msgspec.Struct):
    """One expected push and its state."""

    expectation: Expectation
    posted_at: float
    stored_at: float | None = None
    """Time at which the post was answered with 200."""
    arrived_at: float | None = None
    tries: int = 0
    answered: int | None = None
    """The client's answer to the last attempt."""


def _lane_of(expectation: Expectation) -> tuple[str, str, str]:
    return expectation.push_config, expectation.account, expectation.shipment


class Ledger:
    """Records expected pushes and arrivals."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """Numbers of posts, accepted, duplicates, probes, pushes, arrived, failed tries, foreign."""
        self.problems: list[str] = []
        """All errors so far, except pushes that have not arrived yet."""
        self._pushes: OrderedDict[str, DemoPush] = OrderedDict()
        self._lanes: dict[tuple[str, str, str], list[str]] = {}
        self._ended = 0

    def expect(self, expectations: Iterable[Expectation], at: float) -> list[DemoPush]:
        """Record pushes before their update is posted. Known ones are duplicates and are not added again."""
        fresh = []
        for expectation in expectations:
            if expectation.webhook_id in self._pushes:
                continue
            push = DemoPush(expectation=expectation, posted_at=at)
            self._pushes[expectation.webhook_id] = push
            self._lanes.setdefault(_lane_of(expectation), []).append(expectation.webhook_id)
            self.counts["pushes"] += 1
            fresh.append(push)
        return fresh

    def arrive(self, arrival: Arrival) -> DemoPush | None:
        """Record one request at a client's endpoint; returns its push, or None for an unexpected one."""
        pushes, identity = self._pushes, arrival.webhook_id
        push = pushes.get(identity) or pushes.get(without_occurrence(identity))
        if push is None:
            self.counts["foreign"] += 1
            return None
        expectation = push.expectation
        self.problems += [f"{expectation.label} to {arrival.push_config}: {fault}" for fault in arrival.faults]
        push.tries += 1
        push.answered = arrival.answered
        if arrival.push_config != expectation.push_config:
            self.problems.append(
                f"{expectation.label}: went to {arrival.push_config} instead of {expectation.push_config}"
            )
        if arrival.status is not None and arrival.status != expectation.status:
            self.problems.append(f"{expectation.label}: arrived as {arrival.status} instead of {expectation.status}")
        if arrival.late is not None and arrival.late != expectation.late:
            self.problems.append(f"{expectation.label}: arrived with late: {arrival.late}, not {expectation.late}")
        if not arrival.taken:
            self.counts["failed tries"] += 1
        elif push.arrived_at is not None:
            self.problems.append(f"{expectation.label} arrived twice at {arrival.push_config} ({arrival.webhook_id})")
        else:
            self._end(push, arrival.at)
        return push

    def _end(self, push: DemoPush, at: float) -> None:
        push.arrived_at = at
        self.counts["arrived"] += 1
        expectation = push.expectation
        lane = self._lanes[_lane_of(expectation)]
        for ahead in lane[: lane.index(expectation.webhook_id)]:
            self.problems.append(
                f"{expectation.label} overtook {self._pushes[ahead].expectation.label} "
                f"of the same shipment ({expectation.shipment}) at {expectation.push_config}"
            )
        lane.remove(expectation.webhook_id)
        if not lane:
            del self._lanes[_lane_of(expectation)]
        self._ended += 1
        if self._ended > KEPT:
            self._forget()

    def _forget(self) -> None:
        for webhook_id, push in self._pushes.items():
            if push.arrived_at is not None:
                del self._pushes[webhook_id]
                self._ended -= 1
                return

    @property
    def missing(self) -> list[DemoPush]:
        return [push for push in self._pushes.values() if push.arrived_at is None]

    def verdict(self) -> list[str]:
        """The violations of "each push exactly once and in order"; empty if there are none."""
        lost = [
            f"{push.expectation.label} ({push.expectation.status}) never arrived at {push.expectation.push_config} "
            f"({push.tries} tries, {push.expectation.webhook_id})"
            for push in self.missing
        ]
        return self.problems + lost
