"""Metrics and log lines of the pusher. Implements `trackpush_server.pusher.observer.PushObserver`."""

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from trackpush_runtime.log_throttle import LogThrottle
from trackpush_server.telemetry.exemplars import exemplar
from trackpush_server.telemetry.labels import BoundedLabels, Children

_ATTEMPT_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LATENCY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120, 600, 3600, 21600, 86400, 259200)
_FAILING = frozenset({"open", "gone"})

_log = structlog.get_logger("trackpush.pusher")


class PushTelemetry:
    """Attempts (rate, errors, duration) and ended pushes."""

    def __init__(self, registry: CollectorRegistry, labels: BoundedLabels) -> None:
        self._attempts = Counter(
            "trackpush_push_attempts",
            "Attempts of pushes, by status class or failure.",
            ["push_config", "result"],
            registry=registry,
        )
        self._seconds = Histogram(
            "trackpush_push_attempt_duration_seconds",
            "Duration of one attempt, including the connection setup.",
            ["push_config"],
            buckets=_ATTEMPT_SECONDS,
            registry=registry,
        )
        latency = Histogram(
            "trackpush_push_latency_seconds",
            "Time from the receipt of a tracking update to the delivery of its push.",
            buckets=_LATENCY_SECONDS,
            registry=registry,
        )
        self._ended = Counter(
            "trackpush_pushes_ended",
            "Pushes that ended, by state: delivered, dead or dropped.",
            ["push_config", "state"],
            registry=registry,
        )
        self._labels = labels
        self._latency = latency.observe
        self._attempt_children: dict[str, Children[Counter]] = {}
        self._ended_children: dict[str, Children[Counter]] = {}
        self._seconds_children = Children(labels, self._seconds.labels)
        self._throttle = LogThrottle(most=10, per=10.0)
        self._changes = LogThrottle(most=10, per=60.0)
        """Throttled, because a client's server decides how often its state changes."""

    def attempted(self, push_config: str, result: str, seconds: float, trace: str | None = None) -> None:
        children = self._attempt_children.get(result)
        if children is None:
            children = Children(self._labels, lambda label: self._attempts.labels(label, result))
            self._attempt_children[result] = children
        children.of(push_config).inc()
        self._seconds_children.of(push_config).observe(seconds, exemplar(trace))

    def ended(self, push_config: str, state: str, age_seconds: float, trace: str | None = None) -> None:
        children = self._ended_children.get(state)
        if children is None:
            children = Children(self._labels, lambda label: self._ended.labels(label, state))
            self._ended_children[state] = children
        children.of(push_config).inc()
        if state == "delivered":
            self._latency(age_seconds, exemplar(trace))

    def failed(self, push_config: str, push_id: str, *, tries: int, reason: str, next_in: float | None) -> None:
        """Log a failed attempt: always if it ends the push, otherwise throttled."""
        if next_in is None:
            _log.error("push_dead", push_config=push_config, push=push_id, tries=tries, reason=reason)
            return
        held_back = self._throttle.allow(push_config)
        if held_back is not None:
            _log.warning(
                "push_attempt_failed",
                push_config=push_config,
                push=push_id,
                tries=tries,
                reason=reason,
                next_in=round(next_in, 3),
                held_back=held_back,
            )

    def changed(self, push_config: str, state: str, reason: str) -> None:
        """Log an endpoint's new state, throttled for each endpoint."""
        held_back = self._changes.allow(push_config)
        if held_back is not None:
            tell = _log.warning if state in _FAILING else _log.info
            tell("endpoint_state_changed", push_config=push_config, state=state, reason=reason, held_back=held_back)

    def forget(self, gone: frozenset[str]) -> None:
        """Drop the series of deleted PushConfigs."""
        for children in (*self._attempt_children.values(), *self._ended_children.values()):
            children.forget(gone)
        self._seconds_children.forget(gone)
        for name in gone:
            self._attempts.remove_by_labels({"push_config": name})
            self._ended.remove_by_labels({"push_config": name})
            self._seconds.remove_by_labels({"push_config": name})
