"""Metrics of messages to people. Implements `trackpush_server.announcing.observer.AnnouncementObserver`."""

from prometheus_client import CollectorRegistry, Counter, Gauge

_RESULTS = ("sent", "failed", "given_up")


class AnnouncementTelemetry:
    """Two metrics without labels of clients."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._attempts = Counter(
            "trackpush_notification_attempts",
            "Attempts to send a message about endpoints and accounts to people: sent, failed, or given_up (failed"
            " for the last time).",
            ["result"],
            registry=registry,
        )
        for result in _RESULTS:
            self._attempts.labels(result)
        self._pending = Gauge(
            "trackpush_notifications_pending",
            "Messages about endpoints and accounts to people that are not sent yet; with several replicas each reports"
            " the same value.",
            registry=registry,
        )

    def attempted(self, result: str) -> None:
        self._attempts.labels(result).inc()

    def waits(self, messages: int) -> None:
        self._pending.set(messages)
