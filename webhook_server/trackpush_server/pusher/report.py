"""Reports about one channel: a snapshot for metrics and console, and the problem of its endpoint. Pure."""

from typing import NamedTuple

from trackpush_server.pusher.endpoint import Endpoint
from trackpush_server.pusher.lanes import Lane, Lanes, LaneState, PendingPush
from trackpush_server.pusher.live import LivePush, Place
from trackpush_server.pusher.observer import ChannelSnapshot, EndpointHealth, Trouble
from trackpush_server.pusher.state import ChannelStatus, State
from trackpush_server.pusher.window import Window

_STOPPED = frozenset({State.SUSPENDED, State.UNCONFIGURED, State.ELSEWHERE})


def snapshot(
    name: str,
    status: ChannelStatus,
    endpoint: Endpoint,
    window: Window,
    *,
    in_flight: int,
    next_try_in: float | None,
    now: float,
    wall: float,
) -> ChannelSnapshot:
    """The channel's state for /metrics and the console. ``now`` is monotonic; ``wall`` is seconds since the epoch."""
    since = failing_since(status, endpoint, wall)
    return ChannelSnapshot(
        push_config=name,
        in_memory=len(window.lanes),
        in_flight=in_flight,
        lanes=window.lanes.count,
        concurrency=endpoint.limit,
        spilled=window.has_more,
        breaker=status.state.value,
        reason=status.reason or (endpoint.cause if since is not None else ""),
        since=status.since,
        next_try_at=None if next_try_in is None else wall + next_try_in,
        consecutive_failures=endpoint.breaker.failures,
        last_success_at=endpoint.breaker.last_success,
        failing_since=since,
        ready_since=_ready_since(status, endpoint, window.lanes.next_lane(), now),
    )


def trouble(name: str, status: ChannelStatus, endpoint: Endpoint, wall: float) -> Trouble | None:
    """The problem of the endpoint; None while it is healthy, or while sending is stopped on purpose."""
    since = failing_since(status, endpoint, wall)
    if since is None:
        return None
    return Trouble(
        push_config=name,
        gone=status.state is State.GONE,
        is_open=status.state is State.OPEN,
        is_hopeless=endpoint.is_hopeless,
        since=since,
        cause=endpoint.cause,
        failures=endpoint.breaker.failures,
    )


def health(name: str, status: ChannelStatus, endpoint: Endpoint, wall: float) -> EndpointHealth | None:
    """The health of the endpoint; None while nothing is sent to it on purpose."""
    if status.state in _STOPPED:
        return None
    found = trouble(name, status, endpoint, wall)
    works = found is None and status.state is State.CLOSED and endpoint.failing_since is None
    return EndpointHealth(trouble=found, delivered_at=endpoint.breaker.last_success if works else None)


def live_push(
    status: ChannelStatus, endpoint: Endpoint, *, now: float, wall: float, next_probe_in: float | None
) -> LivePush:
    """The facts about the endpoint that concern each of its pending pushes."""
    since = failing_since(status, endpoint, wall)
    quiet, limited = endpoint.quiet_until - now, 0.0 if endpoint.rate is None else endpoint.rate.wait(now)
    return LivePush(
        state=status.state,
        reason=status.reason or endpoint.cause,
        since=since or status.since or None,
        failures=endpoint.breaker.failures,
        next_probe_at=None if next_probe_in is None else wall + next_probe_in,
        paused_until=wall + quiet if quiet > 0 else None,
        rate_limited_until=wall + limited if limited > 0 else None,
        concurrency=endpoint.limit,
    )


class Located(NamedTuple):
    """Where a push is in memory."""

    place: Place
    head: PendingPush | None = None
    """The head of its lane, if its lane is in memory."""


def locate(lanes: Lanes, *, update_id: int, account: str, shipment: str) -> Located:
    """Find a pending push in memory."""
    lane = lanes.get(lanes.key_of(account, shipment, update_id))
    if lane is None or (update_id not in lanes and lane.head.update_id > update_id):
        return Located(Place.ON_DISK)
    head = lane.head
    if head.update_id != update_id:
        return Located(Place.BEHIND, head)
    if lane.state is LaneState.RUNNING:
        return Located(Place.SENDING, head)
    if head.unreadable:
        return Located(Place.UNREADABLE, head)
    return Located(Place.WAITING if lane.state is LaneState.WAITING else Place.READY, head)


def failing_since(status: ChannelStatus, endpoint: Endpoint, wall: float) -> float | None:
    """Start of the reported failure of the endpoint; None if it is not failing."""
    match status.state:
        case State.GONE:
            return status.since
        case State.OPEN:
            return status.since if endpoint.failing_since is None else endpoint.failing_since
        case State.CLOSED if endpoint.is_failing(wall):
            return endpoint.failing_since
        case _:
            return None


def _ready_since(status: ChannelStatus, endpoint: Endpoint, lane: Lane | None, now: float) -> float | None:
    """When the next push became sendable; None while the client delays it: failure, rate limit or Retry-After."""
    is_clients_wait = endpoint.rate is not None or endpoint.is_quiet(now)
    if lane is None or status.state is not State.CLOSED or is_clients_wait:
        return None
    return max(lane.head.begun_at, lane.head.due_at) / 1000
