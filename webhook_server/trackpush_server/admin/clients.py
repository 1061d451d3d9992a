"""The state of clients and PushConfigs, from the dispatcher, the journal's counts and the last hour. Pure."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Literal

import msgspec

from trackpush_aggregators.updates import rfc3339
from trackpush_api.routing import RoutingTable
from trackpush_server.journal.search import QueueCount
from trackpush_server.pusher.observer import ChannelSnapshot
from trackpush_server.telemetry.windows import Summary, Windows

State = Literal["delivering", "failing", "gone", "suspended", "missing", "elsewhere"]
"""The state of a PushConfig.

``missing``: it is not in the routing table, so its pushes wait. ``elsewhere``: another replica sends its pushes, and
knows the state of its endpoint.
"""
_STATES: Mapping[str, State] = {
    "closed": "delivering",
    "open": "failing",
    "gone": "gone",
    "suspended": "suspended",
    "unconfigured": "missing",
}
_WORST: tuple[State, ...] = ("gone", "failing", "missing", "suspended", "elsewhere", "delivering")

_WITHOUT_CHANNEL: Mapping[State, str] = {
    "missing": "no PushConfig is configured",
    "elsewhere": "another replica sends its pushes",
}


class PushConfigHealth(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The current state of one PushConfig. Ages are in seconds, times RFC 3339."""

    name: str
    client: str
    state: State
    reason: str
    next_try_at: str | None
    """Time of the next probe of a failing endpoint."""
    consecutive_failures: int
    last_success_at: str | None
    in_flight: int
    concurrency: int
    pending: int
    """Number of pending pushes, counted up to 10,000; dead pushes are counted in the same way."""
    dead: int
    queue_age_seconds: float
    """Seconds since the update of the oldest pending push was received; 0 without pending pushes."""
    last_hour: Summary


class ClientHealth(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One client (namespace): the sums over its PushConfigs, and the worst of their states."""

    name: str
    state: State
    reason: str
    """Why the PushConfig that is failing longest fails; empty if none does."""
    since: str | None
    """When that PushConfig's state began; null if it is unknown."""
    push_configs: int
    accounts: int
    pending: int
    dead: int
    queue_age_seconds: float
    attempts: int
    """In the last hour, as are failed and delivered."""
    failed: int
    delivered: int


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """The pending and dead pushes of one PushConfig."""

    push_config: str
    state: State
    pending: int
    dead: int
    age_seconds: float
    """Since the update of the oldest pending push was received; 0 without pending pushes."""


class Overview:
    """The state of all clients. Creating it is cheap; details are computed on demand."""

    def __init__(
        self,
        *,
        channels: Iterable[ChannelSnapshot],
        counts: Mapping[str, QueueCount],
        windows: Windows,
        table: RoutingTable | None,
        now: float,
    ) -> None:
        self._channels = {channel.push_config: channel for channel in channels}
        self._counts = counts
        self._windows = windows
        self._now = now
        self._served = frozenset(() if table is None else table.destination_by_name)
        self._names = sorted({*self._channels, *self._served, *counts})
        self._by_client: dict[str, list[str]] = {}
        for name in self._names:
            self._by_client.setdefault(name.partition("/")[0], []).append(name)
        self._accounts = Counter(
            account.name.partition("/")[0] for account in (() if table is None else table.accounts)
        )

    def push_configs(
        self, *, client: str | None = None, state: State | None = None, after: str = "", limit: int
    ) -> tuple[PushConfigHealth, ...]:
        """PushConfigs that match and whose name is greater than ``after``, by name."""
        names = self._names if client is None else self._by_client.get(client, [])
        found = (name for name in names[bisect_right(names, after) :] if state in {None, self._state(name)})
        return tuple(self.push_config(name) for name in islice(found, limit))

    def push_config(self, name: str) -> PushConfigHealth:
        """One PushConfig; an unknown name has the state ``missing``."""
        channel, count = self._channels.get(name), self._counts.get(name)
        hour = self._windows.of(name).summary(self._now)
        return _push_config(name, channel, count, hour, state=self._state(name), now=self._now)

    def waiting(self) -> tuple[Waiting, ...]:
        """PushConfigs with pending or dead pushes, by name."""
        return tuple(
            Waiting(
                push_config=name,
                state=self._state(name),
                pending=count.pending,
                dead=count.dead,
                age_seconds=_queue_age(count, self._now),
            )
            for name, count in sorted(self._counts.items())
            if count.pending or count.dead
        )

    def knows(self, name: str) -> bool:
        """Whether the routing table or the journal has this PushConfig."""
        return name in self._channels or name in self._served or name in self._counts

    def clients(self, *, state: State | None = None, after: str = "", limit: int) -> tuple[ClientHealth, ...]:
        """Clients that match and whose name is greater than ``after``, by name."""
        names = sorted({*self._by_client, *self._accounts})
        found = (name for name in names[bisect_right(names, after) :] if state in {None, self._worst(name)})
        return tuple(self._client(name) for name in islice(found, limit))

    def worst_first(
        self, *, state: State | None = None, after: tuple[int, str] | None = None, limit: int
    ) -> tuple[tuple[tuple[int, str], ClientHealth], ...]:
        """Clients that match, the worst state first, then by name; each with its place in this order."""
        places = ((_WORST.index(self._worst(name)), name) for name in {*self._by_client, *self._accounts})
        found = sorted(
            place
            for place in places
            if (after is None or place > after) and (state is None or self._worst(place[1]) == state)
        )
        return tuple((place, self._client(place[1])) for place in found[:limit])

    def states(self) -> Mapping[State, int]:
        """Number of PushConfigs in each state."""
        return Counter(self._state(name) for name in self._names)

    def _state(self, name: str) -> State:
        channel = self._channels.get(name)
        return _state(channel) if channel is not None else "elsewhere" if name in self._served else "missing"

    def _worst(self, client: str) -> State:
        return min(
            (self._state(channel) for channel in self._by_client.get(client, [])), key=_WORST.index, default="missing"
        )

    def _client(self, name: str) -> ClientHealth:
        names = self._by_client.get(name, [])
        own = [self.push_config(channel) for channel in names]
        state = self._worst(name)
        reason, since = _cause(state, (self._channels[channel] for channel in names if channel in self._channels))
        return ClientHealth(
            name=name,
            state=state,
            reason=reason,
            since=since,
            push_configs=len(own),
            accounts=self._accounts[name],
            pending=sum(health.pending for health in own),
            dead=sum(health.dead for health in own),
            queue_age_seconds=max((health.queue_age_seconds for health in own), default=0.0),
            attempts=sum(health.last_hour.attempts for health in own),
            failed=sum(health.last_hour.failed for health in own),
            delivered=sum(health.last_hour.delivered for health in own),
        )


def _state(channel: ChannelSnapshot) -> State:
    state = _STATES[channel.breaker]
    return "failing" if state == "delivering" and channel.failing_since is not None else state


def _cause(state: State, channels: Iterable[ChannelSnapshot]) -> tuple[str, str | None]:
    """The reason and the start of a client's worst state: those of the PushConfig that has had it longest."""
    if state == "delivering":
        return "", None
    same = [channel for channel in channels if _state(channel) == state]
    if not same:
        return _WITHOUT_CHANNEL.get(state, ""), None
    began = {channel.failing_since or channel.since or float("inf"): channel for channel in reversed(same)}
    since = min(began)
    return began[since].reason, None if since == float("inf") else _time(since)


def _push_config(
    name: str, channel: ChannelSnapshot | None, count: QueueCount | None, hour: Summary, *, state: State, now: float
) -> PushConfigHealth:
    return PushConfigHealth(
        name=name,
        client=name.partition("/")[0],
        state=state,
        reason="" if channel is None else channel.reason,
        next_try_at=None if channel is None else _time(channel.next_try_at),
        consecutive_failures=0 if channel is None else channel.consecutive_failures,
        last_success_at=None if channel is None else _time(channel.last_success_at),
        in_flight=0 if channel is None else channel.in_flight,
        concurrency=0 if channel is None else channel.concurrency,
        pending=0 if count is None else count.pending,
        dead=0 if count is None else count.dead,
        queue_age_seconds=0.0 if count is None else _queue_age(count, now),
        last_hour=hour,
    )


def _queue_age(count: QueueCount, now: float) -> float:
    oldest = count.oldest_received_at
    return 0.0 if oldest is None else round(max(0.0, now - oldest / 1000), 3)


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else rfc3339(int(seconds * 1000))
