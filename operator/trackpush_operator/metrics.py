"""The operator's own metrics, in one registry per operator."""

import platform
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # half as many series again, and nobody asks for them


class Metrics:
    """The operator's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "trackpush_operator_api_requests",
            "Requests to the API server, by HTTP method, kind and status code (0: no answer), without watches.",
            ("method", "kind", "code"),
            registry=self.registry,
        )
        self.events = Counter(
            "trackpush_operator_watch_events", "Events of the watches, by kind.", ("kind",), registry=self.registry
        )
        self.seen = Gauge(
            "trackpush_operator_watch_event_timestamp_seconds",
            "Time of the last event of a kind's watch.",
            ("kind",),
            registry=self.registry,
        )
        self.watching = Gauge(
            "trackpush_operator_watching",
            "1 while the watches run; 0 after they end, until they have run for 30 s again.",
            registry=self.registry,
        )
        self.kind_watched = Gauge(
            "trackpush_operator_kind_watched",
            "1 while one of Trackpush's own kinds is watched; 0 while its CustomResourceDefinition is missing.",
            ("kind",),
            registry=self.registry,
        )
        self.handled = Counter(
            "trackpush_operator_handled",
            "Processed items, by queue and result: done or failed.",
            ("queue", "result"),
            registry=self.registry,
        )
        self.succeeded = Gauge(
            "trackpush_operator_success_timestamp_seconds",
            "Time of the last success of a queue.",
            ("queue",),
            registry=self.registry,
        )
        self.depth = Gauge(
            "trackpush_operator_queue_depth",
            "Items in a queue, including those that are due later.",
            ("queue",),
            registry=self.registry,
        )
        self.age = Gauge(
            "trackpush_operator_queue_age_seconds",
            "Age of the oldest item of a queue; an item that fails is retried and keeps its age.",
            ("queue",),
            registry=self.registry,
        )
        self.written = Counter(
            "trackpush_operator_shards_written", "Shards of routing tables written.", registry=self.registry
        )
        self.propagation = Histogram(
            "trackpush_operator_propagation_seconds",
            "Time from the write of a shard until every ready pod served it.",
            buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120),
            registry=self.registry,
        )
        self.restarts = Counter(
            "trackpush_operator_watch_restarts", "Number of restarts of all watches.", registry=self.registry
        )
        self.missed = Counter(
            "trackpush_operator_missed_changes",
            "Changes that a resync found and no watch had reported.",
            registry=self.registry,
        )
        self.resynced = Gauge(
            "trackpush_operator_resynced_timestamp_seconds",
            "Time of the last resync (full list and comparison); every ten minutes.",
            registry=self.registry,
        )
        self.active = Gauge("trackpush_operator_active", "1 while this operator is the leader.", registry=self.registry)
        Gauge(
            "trackpush_build_info", "1 for the running version.", ("version", "python"), registry=self.registry
        ).labels(version("trackpush"), platform.python_version()).set(1)
