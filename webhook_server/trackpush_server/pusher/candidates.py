"""Chooses the push that probes a failing endpoint; prefers pushes that it has not rejected. Pure."""

from trackpush_server.pusher.lanes import Lane, Lanes, LaneState


def has_candidate(lanes: Lanes) -> bool:
    """Whether memory has a head that the endpoint has not rejected, and that can therefore probe it."""
    return any(
        lane.state is not LaneState.RUNNING and not (lane.head.unreadable or lane.head.was_rejected) for lane in lanes
    )


def refused_lane(lanes: Lanes) -> Lane | None:
    """A waiting lane whose head was rejected; None if there is none."""
    waiting = (lane for lane in lanes if lane.state is LaneState.WAITING and lane.head.was_rejected)
    return next(waiting, None)


def next_probe(lanes: Lanes, *, spilled: bool) -> Lane | None:
    """The lane to probe with: among the heads that were not rejected, or else among all, the one tried least recently.

    None if all heads were rejected and the disk may have others (``spilled``).
    """
    probes = (lane for lane in lanes if lane.state is not LaneState.RUNNING and not lane.head.unreadable)
    lane = min(probes, key=_probe_order, default=None)
    if lane is not None and lane.head.was_rejected and spilled:
        return None
    return lane


def _probe_order(lane: Lane) -> tuple[bool, int, int]:
    return lane.head.was_rejected, lane.head.last_attempt_at, lane.head.update_id
