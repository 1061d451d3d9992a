"""The operator's own metrics, one registry for each operator."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """What the operator counts."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "trackpush_operator_api_requests",
            "Requests to the API server, by HTTP method, kind and status (0: no answer); watches aren't in it.",
            ("method", "kind", "status"),
            registry=self.registry,
        )
        self.events = Counter(
            "trackpush_operator_watch_events", "Events of the watches.", ("kind",), registry=self.registry
        )
        self.handled = Counter(
            "trackpush_operator_handled",
            "Work done, by queue and result.",
            ("queue", "result"),
            registry=self.registry,
        )
        self.depth = Gauge(
            "trackpush_operator_queue_depth", "Work that waits, by queue.", ("queue",), registry=self.registry
        )
        self.written = Counter("trackpush_operator_shards_written", "Shards written.", registry=self.registry)
        self.propagation = Histogram(
            "trackpush_operator_propagation_seconds",
            "From the write of a shard until every ready pod served it.",
            buckets=(0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120),
            registry=self.registry,
        )
        self.restarts = Counter(
            "trackpush_operator_watch_restarts", "Times that all watches were started anew.", registry=self.registry
        )
        self.missed = Counter(
            "trackpush_operator_missed_changes",
            "Changes that a resync found and no watch had told.",
            registry=self.registry,
        )
        self.resynced = Gauge(
            "trackpush_operator_resynced_timestamp_seconds",
            "When the last resync was complete.",
            registry=self.registry,
        )
        self.active = Gauge(
            "trackpush_operator_active", "1 while this operator holds the Lease and works.", registry=self.registry
        )
