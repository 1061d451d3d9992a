"""Gauges of pending pushes per PushConfig, from the journal's counts and the dispatcher's snapshot, at scrape time."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from trackpush_server.pusher.observer import ChannelSnapshot
from trackpush_server.telemetry.labels import OTHER, BoundedLabels

if TYPE_CHECKING:
    from trackpush_server.journal.model import PendingCount

_STATES = ("closed", "open", "gone", "suspended", "unconfigured")
_FAILING = frozenset({"open", "gone"})
_UNCONFIGURED = "unconfigured"
_MOST_NAMED = 200
"""Maximum number of failing PushConfigs, and of old queues, that are shown by name although the limit of labels is
reached.

People must act on these, so they need the names.
"""
_OLD = 600.0
"""Seconds after which a queue counts as old."""


class QueueTelemetry(Collector):
    """Computes its gauges at scrape time, so that the hot path has no cost for them."""

    def __init__(
        self,
        registry: CollectorRegistry,
        labels: BoundedLabels,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.pending: Sequence[PendingCount] = ()
        """Set before each scrape, because it is read on the event loop and the metrics are built in a thread."""
        self.channels: Sequence[ChannelSnapshot] = ()
        self._labels = labels
        self._wall = wall
        registry.register(self)

    def describe(self) -> Iterable[GaugeMetricFamily]:
        return ()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        yield from self._backlog()
        snapshots = self.channels
        yield self._sum(
            "trackpush_push_attempts_under_way",
            "Attempts in progress.",
            {channel.push_config: channel.in_flight for channel in snapshots}.items(),
        )
        yield self._sum(
            "trackpush_lanes",
            "Lanes (shipments with pushes) in memory.",
            {channel.push_config: channel.lanes for channel in snapshots}.items(),
        )
        yield self._sum(
            "trackpush_pushes_in_memory",
            "Pending pushes in memory; other pending pushes are only on disk.",
            {channel.push_config: channel.in_memory for channel in snapshots}.items(),
        )
        yield self._ready_age(snapshots)
        yield self._states(snapshots)
        yield _failing(snapshots)

    def _ready_age(self, snapshots: Sequence[ChannelSnapshot]) -> GaugeMetricFamily:
        """One value without labels, so that a HorizontalPodAutoscaler can average it over the pods."""
        now = self._wall()
        family = GaugeMetricFamily(
            "trackpush_ready_queue_age_seconds",
            "Age of the oldest push that could be sent now, without pushes that the client itself delays.",
        )
        since = (channel.ready_since for channel in snapshots if channel.ready_since is not None)
        family.add_metric([], max(0.0, now - min(since, default=now)))
        return family

    def _backlog(self) -> Iterable[GaugeMetricFamily]:
        now = self._wall()
        yield self._sum(
            "trackpush_pending_pushes",
            "Pushes that are stored and have not ended; with several replicas each reports the same value.",
            ((count.push_config, count.count) for count in self.pending),
        )
        configured = {channel.push_config for channel in self.channels if channel.breaker != _UNCONFIGURED}
        yield self._sum(
            "trackpush_pushes_without_push_config",
            "Pending pushes whose PushConfig does not exist or can't be used; they wait until it can.",
            ((count.push_config, count.count) for count in self.pending if count.push_config not in configured),
        )
        ages: dict[str, float] = defaultdict(float)
        named = 0
        for count in sorted(self.pending, key=lambda count: count.oldest_received_at):
            label, age = self._labels.of(count.push_config), now - count.oldest_received_at / 1000
            if label == OTHER and age > _OLD and named < _MOST_NAMED:
                label, named = count.push_config, named + 1
            ages[label] = max(ages[label], age)
        family = GaugeMetricFamily(
            "trackpush_queue_age_seconds",
            "Age of the update of the oldest pending push, by PushConfig if older than 10 minutes.",
            labels=["push_config"],
        )
        for label, age in ages.items():
            family.add_metric([label], max(0.0, age))
        yield family

    def _sum(self, name: str, text: str, values: Iterable[tuple[str, int]]) -> GaugeMetricFamily:
        sums: dict[str, int] = defaultdict(int)
        for push_config, value in values:
            sums[self._labels.of(push_config)] += value
        family = GaugeMetricFamily(name, text, labels=["push_config"])
        for label, value in sums.items():
            family.add_metric([label], value)
        return family

    def _states(self, snapshots: Sequence[ChannelSnapshot]) -> GaugeMetricFamily:
        """The state of each endpoint; for endpoints beyond the limit of labels, their number in each state."""
        family = GaugeMetricFamily(
            "trackpush_breaker_state",
            "1 for the state of the PushConfig's endpoint: closed (healthy), open, gone, suspended or unconfigured.",
            labels=["push_config", "state"],
        )
        others: dict[str, int] = defaultdict(int)
        for channel in snapshots:
            label = self._labels.of(channel.push_config)
            if label == OTHER:
                others[channel.breaker] += 1
                continue
            for state in _STATES:
                family.add_metric([label, state], channel.breaker == state)
        for state, count in others.items():
            family.add_metric([OTHER, state], count)
        return family


def _failing(snapshots: Sequence[ChannelSnapshot]) -> GaugeMetricFamily:
    """The failing PushConfigs by name; if there are too many, those that have failed for the longest time."""
    family = GaugeMetricFamily(
        "trackpush_endpoint_failing_timestamp_seconds",
        "Time when the endpoint started to fail; state is open (breaker), gone (410) or failing. Absent if healthy.",
        labels=["push_config", "state"],
    )
    failing = [(since, channel) for channel in snapshots if (since := _failing_since(channel)) is not None]
    for since, channel in sorted(failing, key=lambda pair: pair[0])[:_MOST_NAMED]:
        family.add_metric([channel.push_config, channel.breaker if channel.breaker in _FAILING else "failing"], since)
    return family


def _failing_since(snapshot: ChannelSnapshot) -> float | None:
    if snapshot.failing_since is not None:
        return snapshot.failing_since
    return snapshot.since if snapshot.breaker in _FAILING else None
